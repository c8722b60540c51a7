//! What WebDriver has no commands for: screen sizes, logs, requests, layout shift, accessibility.

use std::path::{Path, PathBuf};

use fantoccini::wd::WebDriverCompatibleCommand;
use serde_json::{Value, json};
use url::Url;

use super::{Browser, retry::unless_navigated};

/// The key Tab, as WebDriver writes it (section 17.4.2).
pub const TAB: &str = "\u{E004}";
/// The key Enter.
pub const ENTER: &str = "\u{E007}";
/// The key with an arrow to the right.
pub const RIGHT: &str = "\u{E014}";
/// The key Escape.
pub const ESCAPE: &str = "\u{E00C}";

impl Browser {
    /// Sets the width of the screen, and the system's preference for light or dark. Colours change at
    /// once, not gradually.
    pub async fn look(&self, width: u32, dark: bool) {
        self.resize(width, 900).await;
        let value = if dark { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": value },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Saves a picture of the whole page as PNG.
    pub async fn picture(&self, path: &Path) {
        let size = "return [innerWidth, Math.max(innerHeight, document.body.scrollHeight)]";
        let size = self.script(size).await;
        let pixels = |at: usize| size[at].as_u64().and_then(|size| u32::try_from(size).ok());
        self.resize(pixels(0).unwrap_or(1280), pixels(1).unwrap_or(900)).await;
        self.screenshot(path).await;
        self.resize(pixels(0).unwrap_or(1280), 900).await;
    }

    /// Presses a key where the focus is.
    pub async fn press(&self, key: &str) {
        self.retry("press a key", async || {
            let element = self.client.active_element().await?;
            unless_navigated(element.send_keys(key).await)
        })
        .await;
    }

    /// Presses Tab until the focus is on what has this text; fails when it comes to none such.
    pub async fn tab_to(&self, text: &str) {
        let mut seen = Vec::new();
        for _ in 0..60 {
            self.press(TAB).await;
            let script = "const e = document.activeElement; \
                return e.labels?.[0]?.textContent ?? e.textContent";
            let focused = self.script(script).await.as_str().unwrap_or_default().trim().to_owned();
            if focused == text {
                return;
            }
            seen.push(focused);
        }
        panic!("the keyboard does not come to {text:?}, only to {seen:?}");
    }

    /// What a script in the page returns.
    pub async fn script(&self, script: &str) -> Value {
        self.retry("run a script", async || self.client.execute(script, Vec::new()).await).await
    }

    /// What a script in the page passes to its callback, `arguments[0]`.
    async fn async_script(&self, script: &str) -> Value {
        self.retry("run a script", async || self.client.execute_async(script, Vec::new()).await)
            .await
    }

    /// Waits until a script in the page returns true.
    pub async fn wait_for_script(&self, script: &str) {
        self.until(&format!("see true from {script:?}"), async || {
            let returned = self.client.execute(script, Vec::new()).await?;
            Ok((returned == true).then_some(()))
        })
        .await;
    }

    /// Makes requests to matching addresses fail; `*` matches anything.
    pub async fn block(&self, addresses: &str) {
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.setBlockedURLs", json!({ "urls": [addresses] })).await;
    }

    /// The addresses of all requests since the last call.
    pub async fn requests(&self) -> Vec<Url> {
        let address = |entry: String| {
            let entry: Value = serde_json::from_str(&entry).ok()?;
            let message = &entry["message"];
            let sent = message["method"] == "Network.requestWillBeSent";
            sent.then(|| message["params"]["request"]["url"].as_str()?.parse().ok()).flatten()
        };
        self.log("performance").await.into_iter().filter_map(address).collect()
    }

    /// The Cumulative Layout Shift of the page.
    pub async fn layout_shift(&self) -> f64 {
        let script = "const done = arguments[0]; let sum = 0; \
            new PerformanceObserver(list => { for (const e of list.getEntries()) sum += e.value; }) \
              .observe({ type: 'layout-shift', buffered: true }); \
            requestAnimationFrame(() => setTimeout(() => done(sum), 50));";
        let sum = self.async_script(script).await;
        sum.as_f64().expect("a number")
    }

    /// What moved since the last navigation: the elements as they are written, each with the distance in
    /// CSS pixels. Words that move to the next line do not count, nor do the right-aligned parts of the
    /// header that move to the left when more of them arrive.
    pub async fn moved_elements(&self) -> Vec<String> {
        let script = "const done = arguments[0]; const moved = []; \
            new PerformanceObserver(list => { \
              for (const s of list.getEntries().flatMap(e => e.sources)) { \
                const [x, y] = [s.currentRect.x - s.previousRect.x, s.currentRect.y - s.previousRect.y]; \
                if (s.node?.nodeType === Node.ELEMENT_NODE && (y || x && !s.node.closest('.account'))) \
                  moved.push(s.node.outerHTML.slice(0, 80) + ' by ' + x + ', ' + y); \
              } }).observe({ type: 'layout-shift', buffered: true }); \
            requestAnimationFrame(() => setTimeout(() => done(moved), 50));";
        let moved = self.async_script(script).await;
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        moved.as_array().expect("an array").iter().map(text).collect()
    }

    /// The violations of WCAG 2.2 AA and of best practices that axe-core finds: a line for each, with
    /// the elements.
    pub async fn violations(&self) -> Vec<String> {
        let axe = std::fs::read_to_string(axe()).expect("axe-core, as the ignored test says");
        let script = "const done = arguments[0]; \
            axe.run({ resultTypes: ['violations'] }).then(r => done(r.violations.map(v => \
              v.id + ': ' + v.nodes.map(n => n.html).join(' '))), e => done([String(e)]));";
        // Together: a page that replaced the first one has no axe-core.
        let found = self
            .retry("run axe-core", async || {
                self.client.execute(&axe, Vec::new()).await?;
                self.client.execute_async(script, Vec::new()).await
            })
            .await;
        let lines = found.as_array().into_iter().flatten();
        lines.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    async fn resize(&self, width: u32, height: u32) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        let body = json!({ "cmd": command, "params": parameters });
        self.command("goog/cdp/execute", body).await;
    }

    /// The new entries of a log of the driver.
    pub(super) async fn log(&self, kind: &str) -> Vec<String> {
        let entries = self.command("se/log", json!({ "type": kind })).await;
        let message = |entry: &Value| entry["message"].as_str().map(str::to_owned);
        entries.as_array().into_iter().flatten().filter_map(message).collect()
    }

    async fn command(&self, path: &'static str, body: Value) -> Value {
        self.retry(path, async || {
            self.client.issue_cmd(DriverCommand { path, body: body.clone() }).await
        })
        .await
    }
}

/// Where `npm ci --prefix tests/axe` installs axe-core.
fn axe() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(crate::tools::AXE)
}

/// A command of chromedriver that WebDriver does not define.
#[derive(Debug)]
struct DriverCommand {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for DriverCommand {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}
