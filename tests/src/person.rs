//! Somebody who walks the site by HTTP.

use std::{sync::Arc, time::Duration};

use reqwest::{
    Client, Method, RequestBuilder, StatusCode,
    cookie::{CookieStore, Jar},
    header, redirect,
};
use url::Url;

use crate::{
    form,
    page::{Hop, Page},
};

/// A browser gives up after this many redirects in a row.
const MOST_HOPS: usize = 20;

/// Somebody with a cookie jar who walks the site as with a browser: without scripts, and without
/// `SameSite` (the jar knows domains, paths, `Secure` and expiry only).
///
/// Two people never share a jar; the clones of one are the tabs of one browser.
#[derive(Clone, Debug)]
pub struct Person {
    client: Client,
    jar: Arc<Jar>,
    site: Url,
}

/// Where a navigation starts, which is what `Sec-Fetch-Site` tells (Fetch Metadata, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum From {
    SameOrigin,
    SameSite,
    CrossSite,
}

impl Person {
    /// Somebody who knows the address of the site, and has never been there.
    ///
    /// # Panics
    /// When no HTTP client can be built.
    #[must_use]
    pub fn new(site: Url) -> Self {
        Self::using(site, "")
    }

    /// The same, with a browser that calls itself so (`User-Agent`).
    ///
    /// # Panics
    /// When no HTTP client can be built.
    #[must_use]
    pub fn using(site: Url, browser: &str) -> Self {
        let jar = Arc::new(Jar::default());
        let tls = portico_adapters::tls::client_config(None).expect("a TLS configuration");
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .user_agent(browser)
            .cookie_provider(Arc::clone(&jar))
            .connect_timeout(Duration::from_secs(5))
            .timeout(Duration::from_secs(30))
            .build()
            .expect("an HTTP client");
        Self { client, jar, site }
    }

    /// A navigation to be sent with whatever headers a test wants: what comes back is neither
    /// unpacked nor followed.
    pub fn request(&self, method: Method, address: &str) -> RequestBuilder {
        self.navigation(method, &self.address(address), None)
    }

    /// Types an address, a path or a whole URL, and stays at what is answered, a redirect perhaps.
    pub async fn get(&self, address: &str) -> Page {
        let url = self.address(address);
        let request = self.navigation(Method::GET, &url, None);
        answer(request, url, Vec::new()).await
    }

    /// Types an address, a path or a whole URL, and goes wherever it leads.
    pub async fn visit(&self, address: &str) -> Page {
        self.walk(None, Method::GET, self.address(address), Vec::new()).await
    }

    /// Presses a link, and goes wherever it leads.
    ///
    /// # Panics
    /// When the page has no such link.
    pub async fn click(&self, page: &Page, link: &str) -> Page {
        let to = page.link(link);
        let to = to.unwrap_or_else(|| panic!("no link {link:?} on {}: {}", page.url, page.text()));
        self.walk(Some(&page.url), Method::GET, to, Vec::new()).await
    }

    /// Fills in fields by their labels, presses the button, and goes wherever it leads.
    ///
    /// # Panics
    /// When the page has no such button or no such field.
    pub async fn submit(&self, page: &Page, button: &str, fields: &[(&str, &str)]) -> Page {
        let sent = form::fill_in(page, button, fields);
        self.walk(Some(&page.url), sent.method, sent.url, sent.fields).await
    }

    /// Goes on from a redirect that [`Self::get`] stayed at, until something else is answered.
    ///
    /// # Panics
    /// When it never ends.
    pub async fn follow(&self, page: Page) -> Page {
        let Some(to) = page.location() else { return page };
        let mut arrived = self.walk(None, Method::GET, to, Vec::new()).await;
        arrived.hops.splice(0..0, page.hops);
        arrived
    }

    /// Asks for JSON, as a script would: no navigation, no redirect followed.
    pub async fn get_json(&self, address: &str) -> Page {
        let url = self.address(address);
        let request = self.client.get(url.clone()).header(header::ACCEPT, "application/json");
        answer(request, url, Vec::new()).await
    }

    /// The `Cookie` header that the site would get; `None` while there is no cookie.
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

    async fn walk(
        &self,
        from: Option<&Url>,
        mut method: Method,
        mut url: Url,
        mut fields: Vec<(String, String)>,
    ) -> Page {
        let mut hops = Vec::new();
        // One foreign hop makes the rest of the walk foreign.
        let mut site = From::SameOrigin;
        while hops.len() < MOST_HOPS {
            let origin = from.map(|page| {
                site = site.max(relation(page, &url));
                (page, site)
            });
            let mut request = self.navigation(method.clone(), &url, origin);
            if method == Method::POST {
                request = request.form(&fields);
            }
            let page = answer(request, url, hops).await;
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
        panic!("redirected {MOST_HOPS} times, last to {url}")
    }

    fn navigation(&self, method: Method, to: &Url, from: Option<(&Url, From)>) -> RequestBuilder {
        let site = match from.map(|(_, site)| site) {
            None => "none",
            Some(From::SameOrigin) => "same-origin",
            Some(From::SameSite) => "same-site",
            Some(From::CrossSite) => "cross-site",
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

/// Sites are told apart by scheme and host only here: tests live on loopback.
fn relation(page: &Url, to: &Url) -> From {
    if page.origin() == to.origin() {
        From::SameOrigin
    } else if page.scheme() == to.scheme() && page.host() == to.host() {
        From::SameSite
    } else {
        From::CrossSite
    }
}

async fn answer(request: RequestBuilder, url: Url, mut hops: Vec<Hop>) -> Page {
    let failed = |error: reqwest::Error| -> ! { panic!("no answer from {url}: {error:?}") };
    let answer = request.send().await.unwrap_or_else(|error| failed(error));
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.text().await.unwrap_or_else(|error| failed(error));
    hops.push(Hop { status, url: url.clone() });
    Page { url, status, headers, body, hops }
}

#[cfg(test)]
mod tests;
