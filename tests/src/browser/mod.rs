//! Headless Chromium, driven through chromedriver.

mod devtools;
mod retry;

pub use devtools::{ENTER, ESCAPE, RIGHT, TAB};

use std::{
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    process::Stdio,
    time::Duration,
};

use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction},
    elements::Element,
    error::CmdError,
    wd::{Capabilities, WindowHandle},
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};
use url::Url;

use self::retry::unless_navigated;
use crate::tools;

/// Time limit for an expected change. Other tests may keep the machine busy.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Without a sandbox, which containers do not offer and our own pages do not need; without anything
/// that connects to other hosts or depends on the machine.
const FLAGS: [&str; 13] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-breakpad",
    "--no-proxy-server",
    "--lang=en",
    "--window-size=1280,900",
];

/// A browser with a profile of its own, which is deleted when this is dropped.
///
/// Every step waits for what it needs, also while the page changes, and panics with the text of the page
/// when that does not appear in time.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    session: String,
    port: u16,
    driver: Child,
    // Not read any more, but closing it would end the driver at its next line of output.
    _output: Lines<BufReader<ChildStdout>>,
    // Dropped last: Chromium writes into it until it ends.
    _folder: TempDir,
}

impl Browser {
    /// Starts chromedriver, on a port that the system chooses, and Chromium.
    ///
    /// # Panics
    /// When one of the two is missing or does not start.
    pub async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    /// The same, with JavaScript disabled.
    ///
    /// # Panics
    /// As [`Browser::start`].
    pub async fn without_scripts() -> Self {
        Self::start_with(json!({ "profile.managed_default_content_settings.javascript": 2 })).await
    }

    async fn start_with(preferences: Value) -> Self {
        let missing = "Chromium is missing: apt-get install chromium chromium-driver";
        let (browser, driver) = tools::find(tools::BROWSER)
            .zip(tools::find(tools::DRIVER))
            .unwrap_or_else(|| panic!("{missing}"));
        let folder = TempDir::with_prefix("portico-browser-").expect("a temporary folder");
        let mut command = Command::new(driver);
        #[cfg(unix)]
        command.process_group(0);
        let mut driver = command
            .arg("--port=0")
            // Whatever the browser leaves behind goes with the folder.
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("chromedriver starts");
        let mut output = BufReader::new(driver.stdout.take().expect("its output")).lines();
        let port = timeout(TIMEOUT, port_in(&mut output)).await.expect("chromedriver's port");
        let args: Vec<String> = FLAGS
            .iter()
            .map(|flag| (*flag).to_owned())
            .chain([format!("--user-data-dir={}", folder.path().join("profile").display())])
            .collect();
        let options = json!({ "binary": browser, "args": args, "prefs": preferences });
        let capabilities = Capabilities::from_iter([
            ("goog:chromeOptions".to_owned(), options),
            ("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL", "performance": "ALL" })),
        ]);
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("Chromium starts");
        let session = client.session_id().await.expect("a session").expect("its name");
        Self { client, session, port, driver, _output: output, _folder: folder }
    }

    /// Opens an address and waits until it is loaded.
    pub async fn goto(&self, url: impl AsRef<str>) {
        let url = url.as_ref();
        self.retry(&format!("open {url}"), async || self.client.goto(url).await).await;
    }

    /// Goes back in the history, as the browser's button does.
    pub async fn back(&self) {
        self.retry("go back", async || unless_navigated(self.client.back().await)).await;
    }

    /// The tab that the other methods use.
    pub async fn tab(&self) -> WindowHandle {
        self.retry("name the tab", async || self.client.window().await).await
    }

    /// Opens an empty tab, and uses it from now on.
    pub async fn open_tab(&self) {
        let tab = self.retry("open a tab", async || self.client.new_window(true).await).await;
        self.switch_to(&tab.handle).await;
    }

    /// Uses another tab from now on.
    pub async fn switch_to(&self, tab: &WindowHandle) {
        self.retry("switch the tab", async || self.client.switch_to_window(tab.clone()).await)
            .await;
    }

    /// Presses the first visible link or button with exactly this text.
    pub async fn click_text(&self, text: &str) {
        let text = quoted(text);
        let path = format!(
            "//*[self::a or self::button or self::summary or @role='button']\
             [normalize-space(.)={text} or @aria-label={text}] \
             | //input[@type='submit' and @value={text}]"
        );
        self.until(&format!("press {text}"), async || {
            let Some(element) = self.first_displayed(&path).await? else { return Ok(None) };
            unless_navigated(element.click().await).map(Some)
        })
        .await;
    }

    /// Presses it twice, as quickly as a double click.
    pub async fn double_click_text(&self, text: &str) {
        let text = quoted(text);
        let path = format!("//*[self::a or self::button][normalize-space(.)={text}]");
        let button = MOUSE_BUTTON_LEFT;
        self.until(&format!("press {text} twice"), async || {
            let Some(element) = self.first_displayed(&path).await? else { return Ok(None) };
            let (duration, x, y) = (None, 0.0, 0.0);
            let to = PointerAction::MoveToElement { element, duration, x, y };
            let mut mouse = MouseActions::new("mouse".into()).then(to);
            for _ in 0..2 {
                mouse =
                    mouse.then(PointerAction::Down { button }).then(PointerAction::Up { button });
            }
            unless_navigated(self.client.perform_actions(mouse).await).map(Some)
        })
        .await;
    }

    /// Waits until one of the two texts is visible, and says which.
    pub async fn wait_for_either<'a>(&self, one: &'a str, other: &'a str) -> &'a str {
        self.until(&format!("find {one:?} or {other:?}"), async || {
            let text = self.read_text().await?;
            Ok([one, other].into_iter().find(|wanted| text.contains(wanted)))
        })
        .await
    }

    /// Waits until the browser has dropped every cookie whose name starts so.
    pub async fn wait_until_no_cookie(&self, name: &str) {
        self.until(&format!("see {name} dropped"), async || {
            let cookies = self.client.get_all_cookies().await?;
            let is_dropped = !cookies.iter().any(|cookie| cookie.name().starts_with(name));
            Ok(is_dropped.then_some(()))
        })
        .await;
    }

    /// Types into the first visible field with this label, instead of what was there.
    pub async fn fill_label(&self, label: &str, value: &str) {
        let text = quoted(label);
        let fields = "[self::input or self::select or self::textarea]";
        let path = format!(
            "//*{fields}[@id=//label[normalize-space(.)={text}]/@for] \
             | //label[normalize-space(.)={text}]//*{fields} | //*{fields}[@aria-label={text}]"
        );
        self.until(&format!("fill in {text}"), async || {
            let Some(field) = self.first_displayed(&path).await? else { return Ok(None) };
            field.clear().await?;
            field.send_keys(value).await.map(Some)
        })
        .await;
    }

    /// The text that is visible on the page.
    pub async fn text(&self) -> String {
        self.retry("read the page", async || self.read_text().await).await
    }

    /// The address in the address bar.
    pub async fn url(&self) -> Url {
        self.retry("read the address", async || self.client.current_url().await).await
    }

    /// Waits until the text is visible.
    pub async fn wait_for_text(&self, text: &str) {
        self.wait_for_either(text, text).await;
    }

    /// The console messages since the last call: script errors, violations of the
    /// Content-Security-Policy, files that were not found.
    pub async fn console(&self) -> Vec<String> {
        self.log("browser").await
    }

    /// Saves a picture of the window as PNG.
    pub async fn screenshot(&self, path: &Path) {
        let png = self.retry("take a picture", async || self.client.screenshot().await).await;
        std::fs::write(path, png).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    async fn read_text(&self) -> Result<String, CmdError> {
        self.client.find(Locator::Css("body")).await?.text().await
    }

    async fn first_displayed(&self, xpath: &str) -> Result<Option<Element>, CmdError> {
        for element in self.client.find_all(Locator::XPath(xpath)).await? {
            if element.is_displayed().await? {
                return Ok(Some(element));
            }
        }
        Ok(None)
    }

    /// Asks the driver to end Chromium, and waits until it has.
    fn quit(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let request = format!(
            "DELETE /session/{} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
            self.session
        );
        stream.write_all(request.as_bytes())?;
        stream.read(&mut [0; 512]).map(drop)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A panic here would hide why the test failed.
        self.quit().ok();
        #[cfg(unix)]
        if let Some(group) = self.driver.id() {
            let kill = format!("kill -9 -- -{group} 2>/dev/null");
            std::process::Command::new("sh").args(["-c", &kill]).status().ok();
        }
        self.driver.start_kill().ok();
    }
}

/// The last number of the line "ChromeDriver was started successfully on port 40123."
async fn port_in(output: &mut Lines<BufReader<ChildStdout>>) -> u16 {
    while let Some(line) = output.next_line().await.expect("chromedriver's output") {
        let port = line
            .strip_prefix("ChromeDriver was started successfully on port ")
            .and_then(|rest| rest.trim_end_matches('.').parse().ok());
        if let Some(port) = port {
            return port;
        }
    }
    panic!("chromedriver ended before it printed its port")
}

/// XPath 1.0 has no escapes: the text is put into the kind of quotes that it does not contain.
fn quoted(text: &str) -> String {
    if text.contains('"') { format!("'{text}'") } else { format!("\"{text}\"") }
}
