//! What every page and answer has in common: the layout, error pages, redirects, headers, static
//! files, the theme and the health checks.

pub mod assets;
pub mod client_address;
mod compression;
mod failure;
pub(crate) mod fairings;
pub(crate) mod health;
mod navigation;
pub(crate) mod notice;
mod page;
pub(crate) mod public_address;
mod reference;
mod responses;
mod tabs;
mod templates;
pub mod theme;
mod timestamp;

pub(crate) use compression::Compression;
pub use failure::Failure;
pub use navigation::is_page_navigation;
pub use notice::{Notice, WithNotice};
pub use page::{Page, View};
pub use reference::Reference;
pub use responses::{NoBody, SeeOther};
pub(crate) use tabs::Tabs;
pub use tabs::{ShownTo, Tab};
pub use templates::embedded_templates;
pub(crate) use templates::{Templates, embedded_template_names};
pub use timestamp::Timestamp;
