use std::convert::Infallible;

use rocket::{
    Request,
    request::{FromRequest, Outcome},
};

/// The name of the visitor's browser and system, such as `Firefox on Linux`; `A browser` where it is
/// not known. For users to tell their sessions apart; the header can be forged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device(pub String);

#[rocket::async_trait]
impl<'r> FromRequest<'r> for Device {
    type Error = Infallible;

    async fn from_request(request: &'r Request<'_>) -> Outcome<Self, Infallible> {
        Outcome::Success(Self(device_name(request.headers().get_one("User-Agent"))))
    }
}

/// A token of the `User-Agent` and the name of the system. The first match counts: Android also sends
/// `Linux`, and an iPhone `Mac OS X`, so they come first.
const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
];

/// The same for browsers: Edge and Opera also send `Chrome`, and Chrome `Safari`.
const BROWSERS: [(&str, &str); 9] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

/// Contains no text of the header, which can be forged.
fn device_name(user_agent: Option<&str>) -> String {
    let header = user_agent.unwrap_or_default();
    let named = |names: &[(&str, &'static str)]| {
        names.iter().find(|(word, _)| header.contains(word)).map(|(_, name)| *name)
    };
    let browser = named(&BROWSERS).unwrap_or("A browser");
    match named(&SYSTEMS) {
        Some(system) => format!("{browser} on {system}"),
        None => browser.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::device_name;

    #[test]
    fn names_browser_and_system() {
        for (header, expected) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPad",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                "Safari on Mac",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36 EdgA/126.0.0.0",
                "Edge on Android",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 OPR/112.0",
                "Opera on Windows",
            ),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36",
                "Chrome on ChromeOS",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0 Mobile Safari/537.36",
                "Samsung Internet on Android",
            ),
            ("curl/8.9.1", "A browser"),
            ("Lynx/2.9 (Linux)", "A browser on Linux"),
        ] {
            assert_eq!(device_name(Some(header)), expected);
        }
        assert_eq!(device_name(None), "A browser");
    }

    #[test]
    fn repeats_no_text_of_user_agent() {
        let long = "Firefox/".repeat(100_000);
        for text in ["", "<script>alert(1)</script>", "\0\u{202e}", "Firefo", &long] {
            let name = device_name(Some(text));
            assert!(name == "A browser" || name == "Firefox", "{name}");
        }
    }
}
