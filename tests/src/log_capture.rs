//! What the site logs, for the test that asks for it.
//!
//! Records are captured by thread: each `#[tokio::test]` runs all its tasks on its own thread, so that
//! parallel tests do not see each other's.

use std::{cell::RefCell, marker::PhantomData, sync::OnceLock};

use log::{LevelFilter, Log, Metadata, Record};

thread_local! {
    /// `None` where no test captures.
    static LINES: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Captures the log of this thread until it is dropped.
pub struct LogCapture {
    /// It stays on its thread.
    _thread: PhantomData<*const ()>,
}

impl LogCapture {
    /// Begins with an empty log. One capture at a time.
    ///
    /// # Panics
    /// When another logger was installed first.
    pub fn start() -> Self {
        assert!(install(), "another logger was installed first: call log_capture::install there");
        LINES.set(Some(Vec::new()));
        Self { _thread: PhantomData }
    }

    /// All lines so far: the level and the text.
    pub fn lines(&self) -> Vec<String> {
        LINES.with_borrow(|lines| lines.clone().unwrap_or_default())
    }

    /// The lines that contain the text.
    pub fn lines_with(&self, text: &str) -> Vec<String> {
        self.lines().into_iter().filter(|line| line.contains(text)).collect()
    }

    /// The only line that contains the text.
    ///
    /// # Panics
    /// When there is none, or more than one.
    #[track_caller]
    pub fn line_with(&self, text: &str) -> String {
        let mut lines = self.lines_with(text);
        assert_eq!(lines.len(), 1, "{text:?}: {:#?}", self.lines());
        lines.remove(0)
    }
}

impl Drop for LogCapture {
    fn drop(&mut self) {
        LINES.set(None);
    }
}

/// Installs the logger of the tests, if it is not installed. To be called before a Rocket is ignited,
/// which would install its own. Whether it is installed now.
pub fn install() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let installed = log::set_logger(&ThreadLog).is_ok();
        if installed {
            log::set_max_level(LevelFilter::Info);
        }
        installed
    })
}

struct ThreadLog;

impl Log for ThreadLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("portico")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.with_borrow_mut(|lines| {
                if let Some(lines) = lines {
                    lines.push(format!("{} {}", record.level(), record.args()));
                }
            });
        }
    }

    fn flush(&self) {}
}
