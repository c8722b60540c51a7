//! Identity providers of other vendors, which `tests/foreign/install` installs.

pub mod django;
pub mod keycloak;
pub mod oidc_provider;

use std::{
    fs::File,
    io::{Read, Seek},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::{Client, redirect};
use url::Url;

/// How long a provider may take to start, while other tests occupy the machine.
const START_TIMEOUT: Duration = Duration::from_secs(180);

/// A provider's process and its children. They are killed when this process ends, in whatever way.
struct Process {
    /// Kills the provider at the end of its standard input, which this process holds open.
    _watcher: Child,
}

impl Process {
    /// Starts the command, and waits until a request of `ready` is answered with 200.
    async fn start(command: &Command, ready: &Url) -> Self {
        let mut log = tempfile::tempfile().unwrap();
        // Not by `Drop`: a static is never dropped. The pipe closes when this process ends.
        let mut watcher = Command::new("sh");
        watcher
            .args(["-c", "\"$@\" & cat >/dev/null; kill -KILL 0", "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))))
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log.try_clone().unwrap())
            .process_group(0);
        let process = Self { _watcher: watcher.spawn().unwrap() };
        let (http, start) = (http(), Instant::now());
        while !http.get(ready.clone()).send().await.is_ok_and(|response| response.status() == 200) {
            assert!(start.elapsed() < START_TIMEOUT, "no answer at {ready}:\n{}", read(&mut log));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        process
    }
}

fn read(log: &mut File) -> String {
    let mut text = Vec::new();
    log.rewind().unwrap();
    log.read_to_end(&mut text).unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

/// An HTTP client for loopback that follows no redirects.
fn http() -> Client {
    let tls = portico_adapters::tls::client_config(None).unwrap();
    Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}
