//! A certificate that nobody has signed, for TLS between a test and its sandbox.

use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A name that cannot stand in a certificate, or no randomness.
    #[error("no certificate could be made: {0}")]
    Made(#[from] rcgen::Error),
    /// The TLS library does not take it.
    #[error("the certificate cannot be used: {0}")]
    Used(#[from] rustls::Error),
    /// The TLS library does not take its key.
    #[error("the key of the certificate cannot be used")]
    Key,
}

/// A new certificate for these names, with its own key, as a server shows it. It is gone with the process.
///
/// # Errors
/// [`CertificateError`] when one of `names` cannot be in a certificate.
pub fn self_signed(names: &[&str]) -> Result<Arc<ServerConfig>, CertificateError> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(names)?.self_signed(&key)?;
    let key = PrivateKeyDer::try_from(key.serialize_der()).or(Err(CertificateError::Key))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok(Arc::new(config))
}
