//! A certificate for servers on 127.0.0.1.

use std::{path::PathBuf, process::Command};

use tempfile::TempDir;

/// A self-signed certificate with its key, in a folder that is removed when it is dropped.
pub struct Certificate {
    folder: TempDir,
}

impl Certificate {
    /// Makes one that is valid for a day.
    ///
    /// # Panics
    /// When `openssl` is missing.
    #[must_use]
    pub fn create() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1";
        let names = "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1";
        let files = "-addext basicConstraints=critical,CA:FALSE -keyout key.pem -out cert.pem";
        let output = Command::new("openssl")
            .args([key, names, files].iter().flat_map(|part| part.split(' ')))
            .current_dir(&folder)
            .output()
            .expect("openssl is missing: apt-get install openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { folder }
    }

    /// The certificate, in PEM.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// Its key, in PEM.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }
}
