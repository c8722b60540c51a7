//! The TLS configuration for the provider, the messages API, the database and Redis.

use std::{
    fmt::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};
use rustls_native_certs::{CertificateResult, load_certs_from_paths, load_native_certs};

/// Files in which systems keep all their root certificates.
const BUNDLES: [&str; 6] = [
    "certs/ca-certificates.crt",
    "certs/ca-bundle.crt",
    "cert.pem",
    "ca-bundle.pem",
    "cacert.pem",
    "certs/ca-root-nss.crt",
];

/// Trusts the system's root certificates and those in the PEM file (`SSL_CERT_FILE`).
///
/// # Errors
/// [`TlsUnavailable`] when the file cannot be read or contains no certificate.
pub fn client_config(extra_roots: Option<&Path>) -> Result<ClientConfig, TlsUnavailable> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(trusted(extra_roots)?);
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsUnavailable(error.to_string()))
        .map(|builder| builder.with_root_certificates(store).with_no_client_auth())
}

/// The same roots as PEM text (RFC 7468, section 5.1), for a crate that builds its own TLS
/// configuration. Also sets the process's cryptography provider, which such crates use.
pub(crate) fn trusted_as_pem(extra_roots: Option<&Path>) -> Result<Vec<u8>, TlsUnavailable> {
    // Fails if it is already set, to the same one.
    let _ = ring::default_provider().install_default();
    let mut pem = String::new();
    for certificate in trusted(extra_roots)? {
        let text = STANDARD.encode(certificate);
        let _ = write!(pem, "-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    }
    Ok(pem.into_bytes())
}

/// The certificates that can be used.
fn trusted(extra_roots: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, TlsUnavailable> {
    // A machine without roots can still use plain HTTP to a provider on loopback.
    let mut roots = system_roots().certs;
    roots.retain(can_be_used);
    if let Some(file) = extra_roots {
        let unusable = |why: String| TlsUnavailable(format!("{}: {why}", file.display()));
        let extra = load_certs_from_paths(Some(file), None);
        if let Some(error) = extra.errors.first() {
            return Err(unusable(error.to_string()));
        }
        let before = roots.len();
        roots.extend(extra.certs.into_iter().filter(can_be_used));
        if roots.len() == before {
            return Err(unusable("it contains no certificate".into()));
        }
    }
    Ok(roots)
}

fn can_be_used(certificate: &CertificateDer<'_>) -> bool {
    RootCertStore::empty().add(certificate.clone()).is_ok()
}

/// The loader uses `SSL_CERT_FILE` from the environment *instead of* the system's roots; here it adds
/// to them.
fn system_roots() -> CertificateResult {
    if std::env::var_os("SSL_CERT_FILE").is_none() {
        return load_native_certs();
    }
    load_certs_from_paths(system_bundle().as_deref(), None)
}

fn system_bundle() -> Option<PathBuf> {
    openssl_probe::candidate_cert_dirs()
        .flat_map(|folder| BUNDLES.map(|name| folder.join(name)))
        .find(|file| file.is_file())
}

/// There is no usable TLS configuration, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no TLS: {0}")]
pub struct TlsUnavailable(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_file_without_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "nothing").unwrap();
        for file in [empty, folder.path().join("missing.pem")] {
            let error = client_config(Some(&file)).unwrap_err();
            assert!(error.to_string().contains(&*file.to_string_lossy()), "{error}");
        }
    }

    #[test]
    fn works_with_system_roots_alone() {
        assert!(client_config(None).is_ok());
    }
}
