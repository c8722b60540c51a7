//! A browser without scripts.

use std::{path::Path, sync::Arc, time::Duration};

use reqwest::{
    Client, ClientBuilder, Method, RequestBuilder, StatusCode,
    cookie::{CookieStore, Jar},
    header::{self, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use url::Url;

use crate::{
    form,
    page::{Hop, Page},
};

/// As in Chromium.
const MAX_REDIRECTS: usize = 20;

/// A browser with a cookie jar: without scripts, and without `SameSite` (the jar knows domains,
/// paths, `Secure` and expiry only).
///
/// No two browsers share a jar; the clones of one are its tabs.
#[derive(Clone, Debug)]
pub struct HttpBrowser {
    client: Client,
    jar: Arc<Jar>,
    site: Url,
}

/// Where a navigation starts: the value of `Sec-Fetch-Site` (Fetch Metadata, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Initiator {
    SameOrigin,
    SameSite,
    CrossSite,
}

impl HttpBrowser {
    /// A browser without cookies. Relative addresses refer to `site`.
    ///
    /// # Panics
    /// When no HTTP client can be built.
    #[must_use]
    pub fn new(site: Url) -> Self {
        Self::with_user_agent(site, "")
    }

    /// The same with this `User-Agent`.
    ///
    /// # Panics
    /// When no HTTP client can be built.
    #[must_use]
    pub fn with_user_agent(site: Url, user_agent: &str) -> Self {
        let tls = portico_adapters::tls::client_config(None).expect("a TLS configuration");
        Self::build(site, Client::builder().tls_backend_preconfigured(tls), user_agent)
    }

    /// A browser that also trusts the certificate in this file (PEM).
    ///
    /// # Panics
    /// When the certificate is malformed.
    #[must_use]
    pub fn trusting(site: Url, certificate: &Path) -> Self {
        let tls = portico_adapters::tls::client_config(Some(certificate)).expect("a certificate");
        Self::build(site, Client::builder().tls_backend_preconfigured(tls), "")
    }

    fn build(site: Url, builder: ClientBuilder, user_agent: &str) -> Self {
        let jar = Arc::new(Jar::default());
        let client = builder
            .redirect(redirect::Policy::none())
            .user_agent(user_agent)
            .cookie_provider(Arc::clone(&jar))
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            .build()
            .expect("an HTTP client");
        Self { client, jar, site }
    }

    /// A navigation to which a test can add headers. Its response is neither parsed nor followed.
    pub fn request(&self, method: Method, address: &str) -> RequestBuilder {
        self.navigation(method, &self.address(address), None)
    }

    /// Opens a typed address, a path or a whole URL. Follows no redirect.
    pub async fn get(&self, address: &str) -> Page {
        let url = self.address(address);
        let request = self.navigation(Method::GET, &url, None);
        send(request, url, Vec::new()).await
    }

    /// As [`Self::get`], with these headers in place of the usual ones with their names.
    ///
    /// # Panics
    /// When a header is malformed.
    pub async fn get_with(&self, address: &str, headers: &[(&str, &str)]) -> Page {
        let url = self.address(address);
        let request = self.navigation(Method::GET, &url, None);
        send(request.headers(header_map(headers)), url, Vec::new()).await
    }

    /// Posts a form that is on no page, with these headers: without Fetch Metadata and `Origin`
    /// unless they are among them. Follows no redirect.
    ///
    /// # Panics
    /// When a header is malformed.
    pub async fn post(
        &self,
        address: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Page {
        let url = self.address(address);
        let request = self.client.post(url.clone()).form(form);
        send(request.headers(header_map(headers)), url, Vec::new()).await
    }

    /// Opens a typed address, a path or a whole URL, and follows redirects.
    pub async fn visit(&self, address: &str) -> Page {
        self.navigate(None, Method::GET, self.address(address), Vec::new()).await
    }

    /// Clicks a link and follows redirects.
    ///
    /// # Panics
    /// When the page has no such link.
    pub async fn click(&self, page: &Page, link: &str) -> Page {
        let to = page.link(link);
        let to = to.unwrap_or_else(|| panic!("no link {link:?} on {}: {}", page.url, page.text()));
        self.navigate(Some(&page.url), Method::GET, to, Vec::new()).await
    }

    /// Fills in fields by their labels, presses the button and follows redirects.
    ///
    /// # Panics
    /// When the page has no such button or no such field.
    pub async fn submit(&self, page: &Page, button: &str, fields: &[(&str, &str)]) -> Page {
        let sent = form::fill_in(page, button, fields);
        self.navigate(Some(&page.url), sent.method, sent.url, sent.fields).await
    }

    /// Follows the redirects that begin with the response of [`Self::get`].
    ///
    /// # Panics
    /// After too many redirects.
    pub async fn follow(&self, page: Page) -> Page {
        let Some(to) = page.location() else { return page };
        let mut last = self.navigate(None, Method::GET, to, Vec::new()).await;
        last.hops.splice(0..0, page.hops);
        last
    }

    /// Requests JSON as a script does: no navigation, no redirect followed.
    pub async fn get_json(&self, address: &str) -> Page {
        let url = self.address(address);
        let request = self.client.get(url.clone()).header(header::ACCEPT, "application/json");
        send(request, url, Vec::new()).await
    }

    /// The `Cookie` header for the site; `None` while there is no cookie.
    #[must_use]
    pub fn cookies(&self) -> Option<String> {
        self.jar.cookies(&self.site)?.to_str().ok().map(str::to_owned)
    }

    /// Puts a cookie of the site into the jar, as `Set-Cookie` would: `name=value; Path=/`.
    pub fn set_cookie(&self, cookie: &str) {
        self.jar.add_cookie_str(cookie, &self.site);
    }

    fn address(&self, address: &str) -> Url {
        self.site.join(address).unwrap_or_else(|error| panic!("not an address: {address}: {error}"))
    }

    async fn navigate(
        &self,
        from: Option<&Url>,
        mut method: Method,
        mut url: Url,
        mut fields: Vec<(String, String)>,
    ) -> Page {
        let mut hops = Vec::new();
        // After one cross-site hop, all others count as cross-site.
        let mut initiator = Initiator::SameOrigin;
        while hops.len() < MAX_REDIRECTS {
            let origin = from.map(|page| {
                initiator = initiator.max(relation(page, &url));
                (page, initiator)
            });
            let mut request = self.navigation(method.clone(), &url, origin);
            if method == Method::POST {
                request = request.form(&fields);
            }
            let page = send(request, url, hops).await;
            let Some(to) = page.location() else { return page };
            // 307 and 308 alone repeat a POST (RFC 9110, section 15.4).
            let repeats = [StatusCode::TEMPORARY_REDIRECT, StatusCode::PERMANENT_REDIRECT];
            if !repeats.contains(&page.status) {
                method = Method::GET;
                fields.clear();
            }
            url = to;
            hops = page.hops;
        }
        panic!("redirected {MAX_REDIRECTS} times, last to {url}")
    }

    fn navigation(
        &self,
        method: Method,
        to: &Url,
        from: Option<(&Url, Initiator)>,
    ) -> RequestBuilder {
        let site = match from.map(|(_, initiator)| initiator) {
            None => "none",
            Some(Initiator::SameOrigin) => "same-origin",
            Some(Initiator::SameSite) => "same-site",
            Some(Initiator::CrossSite) => "cross-site",
        };
        let post = method == Method::POST;
        let request = self
            .client
            .request(method, to.clone())
            .header(header::ACCEPT, "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-Dest", "document")
            .header("Sec-Fetch-User", "?1")
            .header("Sec-Fetch-Site", site);
        match from {
            Some((page, _)) if post => {
                request.header(header::ORIGIN, page.origin().ascii_serialization())
            }
            _ => request,
        }
    }
}

/// Compares hosts instead of registrable domains: tests run on loopback.
fn relation(page: &Url, to: &Url) -> Initiator {
    if page.origin() == to.origin() {
        Initiator::SameOrigin
    } else if page.scheme() == to.scheme() && page.host() == to.host() {
        Initiator::SameSite
    } else {
        Initiator::CrossSite
    }
}

fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let parsed = headers.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header's name");
        (name, HeaderValue::from_str(value).expect("a header's value"))
    });
    parsed.collect()
}

async fn send(request: RequestBuilder, url: Url, mut hops: Vec<Hop>) -> Page {
    let failed = |error: reqwest::Error| -> ! { panic!("no response from {url}: {error:?}") };
    let response = request.send().await.unwrap_or_else(|error| failed(error));
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.text().await.unwrap_or_else(|error| failed(error));
    hops.push(Hop { status, url: url.clone() });
    Page { url, status, headers, body, hops }
}

#[cfg(test)]
mod tests;
