//! The contract of [`MessageApi`].

use std::{sync::Arc, time::Instant};

use crate::{OUTAGE_TIMEOUT, Server};
use futures_util::future::join_all;
use portico_domain::{
    model::{AccessToken, Reader, Topic},
    ports::{MessageApi, MessageError, RefusalReason},
};

/// An API, and two users.
pub struct TestApi {
    /// The adapter.
    pub messages: Arc<dyn MessageApi>,
    /// A user who may read every message.
    pub reader: Reader,
    /// A user who may not read the admin message.
    pub limited_reader: Reader,
    /// `false` where the API decides by the permissions alone.
    pub verifies_tokens: bool,
}

/// Makes a test of each clause. Takes a future of `(TestApi, T)`: a [`TestApi`], and a value to keep
/// alive during the test; then attributes for all tests, if any.
///
/// [`TestApi`]: crate::messages::TestApi
#[macro_export]
macro_rules! message_api_contract {
    (@clauses $then:ident $arguments:tt) => {
        $crate::$then! {
            $arguments messages:
            public_message_needs_no_token
            other_messages_need_a_token
            refuses_missing_permission
            refuses_hostile_token_without_showing_it
            answers_simultaneous_requests
            check_succeeds
        }
    };
    ($($arguments:tt)+) => {
        $crate::message_api_contract!(@clauses contract_tests [$($arguments)+]);
    };
}

/// The names of the clauses.
pub const CLAUSES: &[&str] = message_api_contract!(@clauses contract_names []);

/// The public message is returned to a user and without one, and is not empty.
pub async fn public_message_needs_no_token(api: TestApi) {
    for reader in [None, Some(api.reader)] {
        let message = api.messages.read(Topic::Public, reader).await.unwrap();
        assert!(!message.text.is_empty());
    }
}

/// The other messages are refused without a token, with a text, and returned with one.
pub async fn other_messages_need_a_token(api: TestApi) {
    for topic in [Topic::Protected, Topic::Admin] {
        let refused = api.messages.read(topic, None).await;
        let Err(MessageError::Refused { reason: RefusalReason::Unauthenticated, text }) = refused
        else {
            panic!("{refused:?}")
        };
        assert!(!text.is_empty());
        let message = api.messages.read(topic, Some(api.reader.clone())).await.unwrap();
        assert!(!message.text.is_empty());
    }
}

/// A token without the permission is refused as such (RFC 6750, section 3.1), not as
/// unauthenticated, which would cause a refresh.
pub async fn refuses_missing_permission(api: TestApi) {
    let limited = api.limited_reader;
    assert!(api.messages.read(Topic::Protected, Some(limited.clone())).await.is_ok());
    let refused = api.messages.read(Topic::Admin, Some(limited)).await;
    assert!(
        matches!(
            refused,
            Err(MessageError::Refused { reason: RefusalReason::PermissionDenied, .. })
        ),
        "{refused:?}"
    );
}

/// A made-up token is refused whatever it contains, no error text contains it, and the next request
/// succeeds.
pub async fn refuses_hostile_token_without_showing_it(api: TestApi) {
    let long = "x".repeat(10_000);
    for made_up in ["made-up", "a.b.c", "\u{1f989}\u{202e}", "nul\0nul", "\r\nX: y", "'\"\\", &long]
    {
        let reader = Reader { access_token: AccessToken::new(made_up), ..api.reader.clone() };
        match api.messages.read(Topic::Protected, Some(reader)).await {
            Ok(_) => assert!(!api.verifies_tokens, "{made_up:?} was accepted"),
            Err(error) => {
                let text = format!("{error} {error:?}");
                assert!(!text.contains(made_up), "{text}");
            }
        }
    }
    assert!(api.messages.read(Topic::Protected, Some(api.reader)).await.is_ok());
}

/// Twenty simultaneous requests all succeed.
pub async fn answers_simultaneous_requests(api: TestApi) {
    let reads = (0..20).map(|_| api.messages.read(Topic::Protected, Some(api.reader.clone())));
    for answer in join_all(reads).await {
        answer.unwrap();
    }
}

/// The check of a running API succeeds.
pub async fn check_succeeds(api: TestApi) {
    assert_eq!(api.messages.check().await, Ok(()));
}

/// While the API is down, each call reports the outage in time and none reports a refusal.
/// Afterwards everything works. For an adapter with a server behind it.
pub async fn reports_outage_without_refusing(api: TestApi, server: &mut dyn Server) {
    let read = |topic| api.messages.read(topic, Some(api.reader.clone()));
    read(Topic::Protected).await.unwrap();
    server.stop().await;
    let start = Instant::now();
    for topic in [Topic::Public, Topic::Protected, Topic::Admin] {
        let answer = read(topic).await;
        let is_outage = matches!(answer, Err(MessageError::Failed(_) | MessageError::Timeout));
        assert!(is_outage, "{answer:?}");
    }
    assert!(api.messages.check().await.is_err());
    assert!(start.elapsed() < OUTAGE_TIMEOUT, "{:?}", start.elapsed());
    server.start_again().await;
    assert_eq!(api.messages.check().await, Ok(()));
    read(Topic::Protected).await.unwrap();
}
