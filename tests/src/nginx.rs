//! A temporary nginx with the settings of `deploy/nginx.conf`.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use url::Url;

use crate::{certificate::Certificate, free_port::free_port, tools};

/// Time limit for the start.
const TIMEOUT: Duration = Duration::from_secs(30);

/// nginx with TLS before two instances. Stopped when dropped.
pub struct Nginx {
    process: Child,
    folder: TempDir,
}

/// The port that browsers use, and the certificate of 127.0.0.1 for it.
pub struct TlsAddress {
    port: u16,
    certificate: Certificate,
}

impl TlsAddress {
    /// Chooses a port and makes a certificate.
    ///
    /// # Panics
    /// When `openssl` is missing.
    #[must_use]
    pub fn create() -> Self {
        Self { port: free_port(), certificate: Certificate::create() }
    }

    /// The address that browsers use.
    #[must_use]
    pub fn url(&self) -> Url {
        Url::parse(&format!("https://127.0.0.1:{}/", self.port)).unwrap()
    }

    /// The certificate, in PEM.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.certificate.certificate()
    }
}

impl Nginx {
    /// Starts it at this address before instances on these ports.
    ///
    /// # Panics
    /// When nginx is missing, refuses its settings or does not accept connections within 30 s, or when
    /// `deploy/nginx.conf` lacks a value that the test replaces.
    #[must_use]
    pub fn start(address: &TlsAddress, instances: [u16; 2]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(address, instances);
        fs::write(folder.path().join("portico.conf"), settings).unwrap();
        let paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {kind};\n"))
            .concat();
        let main = format!(
            "daemon off;\npid nginx.pid;\nerror_log error.log;\nevents {{}}\n\
             http {{\naccess_log access.log;\n{paths}include portico.conf;\n}}\n",
        );
        fs::write(folder.path().join("nginx.conf"), main).unwrap();
        let program = tools::find(tools::NGINX)
            .unwrap_or_else(|| panic!("nginx is missing: apt-get install nginx-light"));
        let mut process = Command::new(program)
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "error.log"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let start = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, address.port)).is_err() {
            let over = start.elapsed() > TIMEOUT || process.try_wait().unwrap().is_some();
            let log = fs::read_to_string(folder.path().join("error.log")).unwrap_or_default();
            assert!(!over, "nginx does not accept connections: {log}");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { process, folder }
    }

    /// What nginx logged as errors and warnings.
    ///
    /// # Panics
    /// When there is no log.
    #[must_use]
    pub fn error_log(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap()
    }
}

/// `deploy/nginx.conf` with this address in place of the example's.
fn settings(address: &TlsAddress, instances: [u16; 2]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/nginx.conf");
    let text = fs::read_to_string(file).unwrap();
    let (certificate, key) = (address.certificate.certificate(), address.certificate.key());
    let replacements = [
        ("listen 443 ssl", format!("listen 127.0.0.1:{} ssl", address.port)),
        ("listen 80;", format!("listen 127.0.0.1:{};", free_port())),
        ("127.0.0.1:4040", format!("127.0.0.1:{}", instances[0])),
        ("127.0.0.1:4042", format!("127.0.0.1:{}", instances[1])),
        ("/etc/ssl/app.example.com/fullchain.pem", certificate.display().to_string()),
        ("/etc/ssl/app.example.com/privkey.pem", key.display().to_string()),
    ];
    replacements.iter().fold(text, |text, (example, value)| {
        assert!(text.contains(example), "deploy/nginx.conf has no `{example}`");
        text.replace(example, value)
    })
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, so that the master process ends its workers.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let _ = self.process.wait();
    }
}
