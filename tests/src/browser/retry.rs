//! Reads and actions while the page changes under them.

use std::time::Duration;

use fantoccini::error::{CmdError, ErrorStatus};
use tokio::time::{Instant, sleep};

use super::{Browser, TIMEOUT};

/// Interval between two attempts.
const POLL_PERIOD: Duration = Duration::from_millis(50);

impl Browser {
    /// Repeats a command while the page changes under it; panics with every other error.
    pub(super) async fn retry<T>(
        &self,
        what: &str,
        command: impl AsyncFn() -> Result<T, CmdError>,
    ) -> T {
        self.until(what, async || command().await.map(Some)).await
    }

    /// Repeats commands until they return a value. `Ok(None)`, and an error of a page that changes, mean
    /// "not yet". All reads and actions of the browser pass here, so that none needs a wait of its own.
    ///
    /// # Panics
    /// With the address and text of the page, after [`TIMEOUT`]; with every other error at once.
    pub(super) async fn until<T>(
        &self,
        what: &str,
        commands: impl AsyncFn() -> Result<Option<T>, CmdError>,
    ) -> T {
        let end = Instant::now() + TIMEOUT;
        loop {
            let not_yet = match commands().await {
                Ok(Some(value)) => return value,
                Ok(None) => String::new(),
                Err(error) if is_page_change(&error) => format!(": {error}"),
                Err(error) => panic!("failed to {what}: {error}"),
            };
            if Instant::now() >= end {
                let (address, text) = (self.client.current_url().await, self.read_text().await);
                panic!("could not {what} in time{not_yet}; {address:?} shows {text:?}");
            }
            sleep(POLL_PERIOD).await;
        }
    }
}

/// Whether the error speaks of the page, which may be another one at the next attempt, and not of the
/// command. Chromium's own messages ("Node with given id does not belong to the document", "aborted by
/// navigation" and many more) come as unknown errors or as errors of a script.
fn is_page_change(error: &CmdError) -> bool {
    let CmdError::Standard(error) = error else { return false };
    matches!(
        error.error,
        ErrorStatus::DetachedShadowRoot
            | ErrorStatus::ElementClickIntercepted
            | ErrorStatus::ElementNotInteractable
            | ErrorStatus::InvalidElementState
            | ErrorStatus::JavascriptError
            | ErrorStatus::MoveTargetOutOfBounds
            | ErrorStatus::NoSuchElement
            | ErrorStatus::NoSuchFrame
            | ErrorStatus::StaleElementReference
            | ErrorStatus::UnableToCaptureScreen
            | ErrorStatus::UnknownError
    )
}

/// The result of an action, which is done where its own effect, another page, has interrupted it.
pub(super) fn unless_navigated(result: Result<(), CmdError>) -> Result<(), CmdError> {
    const NAVIGATIONS: [&str; 3] =
        ["aborted by navigation", "document unloaded", "Inspected target navigated or closed"];
    result.or_else(|error| {
        let text = error.to_string();
        let is_navigation = NAVIGATIONS.iter().any(|navigation| text.contains(navigation));
        if is_navigation { Ok(()) } else { Err(error) }
    })
}
