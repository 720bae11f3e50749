//! Whose certificates are believed: those of the system's store, and of a file for a private authority.
//!
//! Guarantees: TLS 1.2 or newer by rustls on ring; a certificate is checked for its issuer, its time and its name, unless
//! the encryption is opportunistic. Sessions are resumed, so that a new connection to the same relay costs less.
//!
//! Left out: revocation lists, client certificates, and pinning (a file with one authority comes close to it).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Whose certificates a relay may show; clones share it, and the sessions that can be resumed with it.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
}

/// Why nobody can be trusted.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The file of the private authority cannot be read, or holds no certificate.
    #[error("{path} holds no certificate in PEM form that can be used")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no root certificate.
    #[error(
        "this system has no root certificates; install its package ca-certificates, or name a file in mail.ca_file"
    )]
    NoRoots,
    /// The TLS library refuses its own defaults.
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

impl Trust {
    /// Trust in the system's store, and in the authorities whose certificates `ca_file` holds as PEM, if it is given.
    /// Reads files, and so belongs to the start.
    ///
    /// # Errors
    /// [`TrustError`] if the file holds none, or neither of the two does.
    pub fn load(ca_file: Option<&Path>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        // What of the system's store cannot be read or parsed is as good as not there.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = ca_file {
            add_file(&mut roots, path).map_err(|source| TrustError::CaFile {
                path: path.to_owned(),
                source,
            })?;
        }
        if roots.is_empty() {
            return Err(TrustError::NoRoots);
        }
        Self::with(|builder| builder.with_root_certificates(roots).with_no_client_auth())
    }

    /// Trust in whoever answers: for encryption that keeps a listener out and not somebody in between, who could as well
    /// have taken the offer of encryption away.
    ///
    /// # Errors
    /// [`TrustError::Setup`], which a test rules out.
    pub fn anybody() -> Result<Self, TrustError> {
        Self::with(|builder| {
            let verifier = Arc::new(Anybody(Arc::clone(builder.crypto_provider())));
            builder
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth()
        })
    }

    fn with(
        finish: impl FnOnce(rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>) -> ClientConfig,
    ) -> Result<Self, TrustError> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TrustError::Setup)?;
        Ok(Self {
            config: Arc::new(finish(builder)),
        })
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut added = false;
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
        added = true;
    }
    if added {
        Ok(())
    } else {
        Err("there is no certificate in it".into())
    }
}

/// Believes every certificate; that its owner holds the key is checked all the same.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        for text in [
            "",
            "nothing here\n",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Trust::load(Some(&path)).unwrap_err();
            assert!(
                error.to_string().contains("ca.pem holds no certificate"),
                "{text}: {error}"
            );
        }
        assert!(Trust::load(Some(&folder.path().join("missing.pem"))).is_err());
    }

    #[test]
    fn trusting_anybody_needs_nothing() {
        assert_eq!(format!("{:?}", Trust::anybody().unwrap()), "Trust");
    }
}
