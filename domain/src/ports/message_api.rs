use async_trait::async_trait;

use crate::model::{AccessToken, Message, Topic};

/// The API that holds the messages.
#[cfg_attr(feature = "testing", mockall::automock)]
#[async_trait]
pub trait MessageApi: Send + Sync {
    /// Asks for the message, with the visitor's token where there is one (RFC 6750, section 2.1).
    ///
    /// # Errors
    /// A [`MessageError`] for each way in which there is no message.
    async fn read(&self, topic: Topic, token: Option<AccessToken>)
    -> Result<Message, MessageError>;

    /// Whether the API is there.
    ///
    /// # Errors
    /// [`MessageError`] when the public message cannot be had.
    async fn check(&self) -> Result<(), MessageError> {
        self.read(Topic::Public, None).await.map(drop)
    }
}

/// Why there is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The API answered, and refused: its status (400 to 499) and its words, foreign text.
    #[error("the API refused with {status}: {text}")]
    Refused {
        /// HTTP status code.
        status: u16,
        /// The API's own words; to be escaped where shown.
        text: String,
    },
    /// The API cannot be reached, or answers nonsense or 500 and above, and why.
    #[error("the API is at fault: {0}")]
    Failed(String),
    /// The API does not answer in time.
    #[error("the API does not answer in time")]
    Timeout,
}
