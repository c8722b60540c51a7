//! The tabs of the header.

use portico_domain::model::{Permission, Session};
use serde::Serialize;

/// A tab of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tab {
    /// The path of its page, such as `/reports`.
    pub path: &'static str,
    /// Its text.
    pub label: &'static str,
    /// Who sees the tab. The guard of the page decides who may open the page.
    pub shown_to: ShownTo,
}

/// Who sees a tab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownTo {
    /// All visitors.
    Everyone,
    /// Users who are logged in.
    LoggedIn,
    /// Users with this permission, such as `read:reports`.
    Permitted(&'static str),
}

impl Tab {
    /// A tab with this text that leads to `path`.
    #[must_use]
    pub const fn new(path: &'static str, label: &'static str, shown_to: ShownTo) -> Self {
        Self { path, label, shown_to }
    }
}

impl ShownTo {
    fn includes(self, session: Option<&Session>) -> bool {
        match self {
            Self::Everyone => true,
            Self::LoggedIn => session.is_some(),
            Self::Permitted(permission) => {
                session.is_some_and(|session| session.has(&Permission::new(permission)))
            }
        }
    }
}

/// The tabs of one site, from left to right.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tabs(pub(crate) Vec<Tab>);

/// A tab as the layout shows it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct TabView {
    path: &'static str,
    label: &'static str,
    /// Whether the page is the tab's, or below it.
    current: bool,
}

impl Tabs {
    /// The tabs that the visitor sees on the page at `path`.
    pub(super) fn on(&self, path: &str, session: Option<&Session>) -> Vec<TabView> {
        let shown = self.0.iter().filter(|tab| tab.shown_to.includes(session));
        shown
            .map(|tab| TabView {
                path: tab.path,
                label: tab.label,
                current: path
                    .strip_prefix(tab.path)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use portico_contracts::fixtures;

    use super::*;

    const TABS: [Tab; 4] = [
        Tab::new("/public", "Public", ShownTo::Everyone),
        Tab::new("/own", "Own", ShownTo::LoggedIn),
        // The user of the fixtures has this permission and no other.
        Tab::new("/messages", "Messages", ShownTo::Permitted("read:messages")),
        Tab::new("/reports", "Reports", ShownTo::Permitted("read:reports")),
    ];

    fn tabs() -> Tabs {
        Tabs(TABS.to_vec())
    }

    #[test]
    fn shows_tabs_that_the_visitor_may_see() {
        let labels = |session| -> Vec<_> {
            tabs().on("/", session).into_iter().map(|tab| tab.label).collect()
        };
        assert_eq!(labels(None), ["Public"]);
        assert_eq!(labels(Some(&fixtures::session())), ["Public", "Own", "Messages"]);
    }

    #[test]
    fn marks_tab_of_the_page_and_of_pages_below_it() {
        let session = fixtures::session();
        let current = |path| -> Vec<_> {
            let tabs = tabs().on(path, Some(&session)).into_iter();
            tabs.filter(|tab| tab.current).map(|tab| tab.path).collect()
        };
        assert_eq!(current("/own"), ["/own"]);
        assert_eq!(current("/own/7"), ["/own"]);
        assert_eq!(current("/owner"), [""; 0]);
        assert_eq!(current("/"), [""; 0]);
    }
}
