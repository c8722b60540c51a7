//! Somebody who walks the site in headless Chromium.

mod devtools;

pub use devtools::{ENTER, ESCAPE, TAB};

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
    wd::Capabilities,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{Instant, sleep, timeout},
};
use url::Url;

use crate::tools;

/// How long to wait for what should appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// Without a sandbox because containers have none to give and the pages are our own; without
/// whatever calls out to the world or leans on the machine.
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

/// A browser of one's own: a fresh profile, gone when this is dropped.
///
/// Every step waits for what it needs and panics, with what is on the page instead, when that does
/// not come.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    session: String,
    port: u16,
    driver: Child,
    // Read from no more, but closing it would end the driver at its next word.
    _words: Lines<BufReader<ChildStdout>>,
    // The last to go: Chromium writes into it until it ends.
    _folder: TempDir,
}

impl Browser {
    /// Starts Chromium and what steers it, on a port that the system chooses.
    ///
    /// # Panics
    /// When one of the two is missing or does not start.
    pub async fn start() -> Self {
        Self::start_with(json!({})).await
    }

    /// The same, but pages run no scripts of theirs.
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
        let mut words = BufReader::new(driver.stdout.take().expect("its output")).lines();
        let port = timeout(PATIENCE, port_in(&mut words)).await.expect("chromedriver's port");
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
        Self { client, session, port, driver, _words: words, _folder: folder }
    }

    /// What the helpers here leave out: windows, cookies, keys, scripts …
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Opens an address and waits until it is loaded.
    pub async fn goto(&self, url: impl AsRef<str>) {
        let url = url.as_ref();
        self.client.goto(url).await.unwrap_or_else(|error| panic!("{url} does not open: {error}"));
    }

    /// Presses the first visible link or button with exactly this text.
    pub async fn click_text(&self, text: &str) {
        let text = quoted(text);
        let path = format!(
            "//*[self::a or self::button or self::summary or @role='button']\
             [normalize-space(.)={text} or @aria-label={text}] \
             | //input[@type='submit' and @value={text}]"
        );
        let element = self.visible(&path).await;
        element.click().await.unwrap_or_else(|error| panic!("{text} cannot be pressed: {error}"));
    }

    /// Presses it twice, as quickly as a mouse does.
    pub async fn double_click_text(&self, text: &str) {
        let text = quoted(text);
        let path = format!("//*[self::a or self::button][normalize-space(.)={text}]");
        let element = self.visible(&path).await;
        let (duration, x, y, button) = (None, 0.0, 0.0, MOUSE_BUTTON_LEFT);
        let to = PointerAction::MoveToElement { element, duration, x, y };
        let mut mouse = MouseActions::new("mouse".into()).then(to);
        for _ in 0..2 {
            mouse = mouse.then(PointerAction::Down { button }).then(PointerAction::Up { button });
        }
        self.client.perform_actions(mouse).await.expect("the mouse clicks twice");
    }

    /// Waits until one of the two texts is visible, and says which.
    pub async fn wait_for_either<'a>(&self, one: &'a str, other: &'a str) -> &'a str {
        let end = Instant::now() + PATIENCE;
        loop {
            let seen = self.text().await;
            if let Some(found) = [one, other].into_iter().find(|text| seen.contains(text)) {
                return found;
            }
            assert!(Instant::now() < end, "no {one:?}, {other:?} at {}: {seen}", self.url().await);
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the browser has dropped every cookie whose name starts so.
    pub async fn wait_until_no_cookie(&self, name: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let cookies = self.client.get_all_cookies().await.expect("the cookies");
            if !cookies.iter().any(|cookie| cookie.name().starts_with(name)) {
                return;
            }
            assert!(Instant::now() < end, "{name} is still there");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Types into the first visible field with this label, instead of what was there.
    pub async fn fill_label(&self, label: &str, value: &str) {
        let text = quoted(label);
        let fields = "[self::input or self::select or self::textarea]";
        let path = format!(
            "//*{fields}[@id=//label[normalize-space(.)={text}]/@for] \
             | //label[normalize-space(.)={text}]//*{fields} | //*{fields}[@aria-label={text}]"
        );
        let field = self.visible(&path).await;
        field.clear().await.expect("the field can be cleared");
        field.send_keys(value).await.expect("the field can be typed into");
    }

    /// The text that is visible on the page.
    pub async fn text(&self) -> String {
        let body = self.client.wait().at_most(PATIENCE).for_element(Locator::Css("body")).await;
        match body.expect("a page").text().await {
            Ok(text) => text,
            // The page went away while it was read: the next one is what is visible.
            Err(error) if error.is_stale_element_reference() => Box::pin(self.text()).await,
            Err(error) => panic!("the page has no text: {error}"),
        }
    }

    /// The address in the address bar.
    pub async fn url(&self) -> Url {
        self.client.current_url().await.expect("an address")
    }

    /// Waits until the text is visible.
    pub async fn wait_for_text(&self, text: &str) {
        self.wait_for_either(text, text).await;
    }

    /// What the console said since the last look: errors of scripts, refusals of the
    /// Content-Security-Policy, files not found.
    pub async fn console(&self) -> Vec<String> {
        self.log("browser").await
    }

    /// Keeps a picture of the window, as PNG.
    pub async fn screenshot(&self, path: &Path) {
        let png = self.client.screenshot().await.expect("a picture");
        std::fs::write(path, png).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    async fn visible(&self, xpath: &str) -> Element {
        let end = Instant::now() + PATIENCE;
        loop {
            for element in self.client.find_all(Locator::XPath(xpath)).await.unwrap_or_default() {
                if element.is_displayed().await.unwrap_or(false) {
                    return element;
                }
            }
            if Instant::now() > end {
                panic!(
                    "nothing visible for {xpath} at {}: {}",
                    self.url().await,
                    self.text().await
                );
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks the driver to end Chromium, and waits until it has.
    fn quit(&self) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
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
        // Failing here would hide why the test failed.
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
async fn port_in(words: &mut Lines<BufReader<ChildStdout>>) -> u16 {
    while let Some(line) = words.next_line().await.expect("chromedriver's output") {
        let port = line
            .strip_prefix("ChromeDriver was started successfully on port ")
            .and_then(|rest| rest.trim_end_matches('.').parse().ok());
        if let Some(port) = port {
            return port;
        }
    }
    panic!("chromedriver ended before it said its port")
}

/// XPath 1.0 knows no escape: a text goes into the kind of quotes that it does not hold.
fn quoted(text: &str) -> String {
    if text.contains('"') { format!("'{text}'") } else { format!("\"{text}\"") }
}
