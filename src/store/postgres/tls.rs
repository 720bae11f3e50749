//! Encrypting a connection as `sslmode` says, by rustls on ring.
//!
//! Guarantees: `verify-ca` and `verify-full` accept only a certificate that a trusted authority issued and that is valid now,
//! `verify-full` only for the host that was asked for; whatever the mode, the server has proven that it holds the certificate's
//! key. Left out: client certificates, revocation lists, and SCRAM's channel binding, which tokio-postgres-rustls offers but
//! never brings about (it takes the certificate for a part of itself); `verify-full` keeps out whom it would.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{PostgresSettings, SslMode};

/// Why a connection cannot be encrypted as asked, before the server has been spoken to.
#[derive(Debug, thiserror::Error)]
pub(in crate::store) enum TlsSetupError {
    /// The file of the authority cannot be used.
    #[error("{path} (sslrootcert) holds no certificate in PEM form that can be used")]
    RootFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is nobody to trust.
    #[error("this system has no root certificates; install its package ca-certificates, or name a file as sslrootcert")]
    NoRoots,
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Setup(#[source] TlsError),
}

/// What encrypts a connection; none if nothing is to. Reads the certificates of the authorities anew, so that a file which was
/// renewed is heeded by the next connection.
pub(super) fn connector(settings: &PostgresSettings) -> Result<Option<MakeRustlsConnect>, TlsSetupError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(TlsSetupError::Setup)?;
    let file = settings.root_certificates.as_deref();
    let config = match (settings.tls, file) {
        (SslMode::Disable, _) => return Ok(None),
        (SslMode::Prefer, _) | (SslMode::Require, None) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ForAnyName { roots: None, provider })),
        // libpq: where an authority is named, `require` heeds it.
        (SslMode::VerifyCa | SslMode::Require, file) => {
            let roots = Some(roots(file)?);
            let verifier = Arc::new(ForAnyName { roots, provider });
            builder.dangerous().with_custom_certificate_verifier(verifier)
        }
        (SslMode::VerifyFull, file) => builder.with_root_certificates(roots(file)?),
    };
    Ok(Some(MakeRustlsConnect::new(config.with_no_client_auth())))
}

/// The authorities of `file` alone, or those of the system.
fn roots(file: Option<&Path>) -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(path) => add_file(&mut roots, path).map_err(|source| TlsSetupError::RootFile {
            path: path.to_owned(),
            source,
        })?,
        None => {
            // What of the system's store cannot be read or parsed is as good as not there.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(TlsSetupError::NoRoots);
    }
    Ok(roots)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err("there is no certificate in it".into());
    }
    Ok(())
}

/// Accepts a certificate for whatever name: of whatever issuer without `roots`, else issued by one of them and valid now. That
/// its owner holds the key is checked all the same.
#[derive(Debug)]
struct ForAnyName {
    roots: Option<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for ForAnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        if let Some(roots) = &self.roots {
            let certificate = ParsedCertificate::try_from(end_entity)?;
            let algorithms = self.provider.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What a failed handshake means and what helps.
pub(super) fn explain(error: &TlsError) -> String {
    let TlsError::InvalidCertificate(problem) = error else {
        return format!("the handshake failed: {error}");
    };
    match problem {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is issued by nobody who is trusted here; name the authority's certificate as sslrootcert"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name; verify-ca would accept that".to_owned()
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}
