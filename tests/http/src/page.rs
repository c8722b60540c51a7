//! A response, parsed as HTML or JSON.

use reqwest::{StatusCode, header::HeaderMap};
use scraper::{ElementRef, Html, Node, Selector};
use url::Url;

/// One request of a navigation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The status of its response.
    pub status: StatusCode,
    /// The address that was requested.
    pub url: Url,
}

/// A response: a page, a redirect or JSON.
#[derive(Clone, Debug)]
pub struct Page {
    /// Its address, after all redirects that were followed.
    pub url: Url,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: String,
    /// Every request of the navigation; the last is this page's own.
    pub hops: Vec<Hop>,
}

impl Page {
    /// The visible text of the body; white space is collapsed.
    #[must_use]
    pub fn text(&self) -> String {
        self.select("body").concat()
    }

    /// The document's title; empty without one.
    #[must_use]
    pub fn title(&self) -> String {
        self.select("title").into_iter().next().unwrap_or_default()
    }

    /// The first `h1`; empty without one.
    #[must_use]
    pub fn heading(&self) -> String {
        self.select("h1").into_iter().next().unwrap_or_default()
    }

    /// The text of each element that matches the CSS selector.
    ///
    /// # Panics
    /// When the selector is invalid.
    #[must_use]
    pub fn select(&self, css: &str) -> Vec<String> {
        self.html().select(&selector(css)).map(visible_text).collect()
    }

    /// The attribute of the first element that matches the CSS selector; `None` without such an
    /// element or attribute.
    ///
    /// # Panics
    /// When the selector is invalid.
    #[must_use]
    pub fn attribute(&self, css: &str, name: &str) -> Option<String> {
        self.html().select(&selector(css)).next()?.attr(name).map(str::to_owned)
    }

    /// The target of the first link with exactly this text; `None` without one.
    #[must_use]
    pub fn link(&self, text: &str) -> Option<Url> {
        let html = self.html();
        let link = html.select(&selector("a[href]")).find(|link| visible_text(*link) == text)?;
        self.url.join(link.attr("href")?).ok()
    }

    /// The first `Set-Cookie` header that starts with `start`; `None` without one.
    #[must_use]
    pub fn cookie(&self, start: &str) -> Option<&str> {
        let lines = self.headers.get_all("set-cookie").iter();
        lines.filter_map(|line| line.to_str().ok()).find(|line| line.starts_with(start))
    }

    /// A header as text; `None` without it.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The target of a redirect; `None` for any other response.
    #[must_use]
    pub fn location(&self) -> Option<Url> {
        let to = self.header("location").filter(|_| self.status.is_redirection())?;
        self.url.join(to).ok()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.body))
    }

    pub(crate) fn html(&self) -> Html {
        Html::parse_document(&self.body)
    }
}

pub(crate) fn selector(css: &str) -> Selector {
    Selector::parse(css).unwrap_or_else(|error| panic!("not a selector: {css}: {error}"))
}

/// The element's text without scripts, styles and templates.
pub(crate) fn visible_text(element: ElementRef<'_>) -> String {
    let mut words = String::new();
    collect(element, &mut words);
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn collect(element: ElementRef<'_>, into: &mut String) {
    for child in element.children() {
        match child.value() {
            Node::Text(text) => into.push_str(text),
            Node::Element(tag) if !matches!(tag.name(), "script" | "style" | "template") => {
                if let Some(child) = ElementRef::wrap(child) {
                    // Adjacent inline elements can form one word; adjacent blocks cannot.
                    let inline = matches!(
                        tag.name(),
                        "a" | "abbr" | "b" | "code" | "em" | "i" | "small" | "span" | "strong"
                    );
                    let gap = if inline { "" } else { " " };
                    into.push_str(gap);
                    collect(child, into);
                    into.push_str(gap);
                }
            }
            _ => {}
        }
    }
}
