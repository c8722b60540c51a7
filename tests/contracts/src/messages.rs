//! What every [`MessageApi`] promises.

use std::{sync::Arc, time::Instant};

use crate::{SOON, Server};
use futures_util::future::join_all;
use portico_domain::{
    model::{AccessToken, Topic},
    ports::{MessageApi, MessageError},
};

/// An API, with tokens of people who have signed in.
pub struct Fresh {
    /// The adapter.
    pub messages: Arc<dyn MessageApi>,
    /// Of somebody who may read every message.
    pub token: AccessToken,
    /// Of somebody who may not read the admin message. `None` where the API looks at no token, and
    /// leaves all that to the site.
    pub lesser: Option<AccessToken>,
}

/// Makes a named test of each clause. Takes a future of `(Fresh, T)`: a [`Fresh`] API, and whatever
/// must live as long as it; then attributes for all the tests, if any.
///
/// [`Fresh`]: crate::messages::Fresh
#[macro_export]
macro_rules! message_api_contract {
    (@clauses $then:ident $arguments:tt) => {
        $crate::$then! {
            $arguments messages:
            the_public_message_is_for_everybody
            other_messages_want_a_token
            who_lacks_the_permission_is_refused
            a_hostile_token_is_refused_and_shown_to_nobody
            many_are_answered_at_once
            the_api_answers
        }
    };
    ($($arguments:tt)+) => {
        $crate::message_api_contract!(@clauses contract_tests [$($arguments)+]);
    };
}

/// The names of the clauses.
pub const CLAUSES: &[&str] = message_api_contract!(@clauses contract_names []);

/// With a token or without, there is a public message, and it says something.
pub async fn the_public_message_is_for_everybody(api: Fresh) {
    for token in [None, Some(api.token)] {
        let message = api.messages.read(Topic::Public, token).await.unwrap();
        assert!(!message.text.is_empty());
    }
}

/// Without a token they are refused with 401 and words; with it there is one for each topic.
pub async fn other_messages_want_a_token(api: Fresh) {
    for topic in [Topic::Protected, Topic::Admin] {
        let refused = api.messages.read(topic, None).await;
        let Err(MessageError::Refused { status: 401, text }) = refused else {
            panic!("{refused:?}")
        };
        assert!(!text.is_empty());
        let message = api.messages.read(topic, Some(api.token.clone())).await.unwrap();
        assert!(!message.text.is_empty());
    }
}

/// Another person's token does not open what only some may read: 403 (RFC 6750, section 3.1), not
/// 401, which would have the token renewed.
pub async fn who_lacks_the_permission_is_refused(api: Fresh) {
    let Some(lesser) = api.lesser else { return };
    assert!(api.messages.read(Topic::Protected, Some(lesser.clone())).await.is_ok());
    let refused = api.messages.read(Topic::Admin, Some(lesser)).await;
    assert!(matches!(refused, Err(MessageError::Refused { status: 403, .. })), "{refused:?}");
}

/// Nobody reads with a token that was made up, whatever it holds; nothing that is said about it
/// shows it; and the next one is answered as ever.
pub async fn a_hostile_token_is_refused_and_shown_to_nobody(api: Fresh) {
    let long = "x".repeat(10_000);
    for made_up in ["made-up", "a.b.c", "\u{1f989}\u{202e}", "nul\0nul", "\r\nX: y", "'\"\\", &long]
    {
        let token = Some(AccessToken::new(made_up));
        match api.messages.read(Topic::Protected, token).await {
            Ok(_) => assert!(api.lesser.is_none(), "{made_up:?} was taken"),
            Err(error) => {
                let said = format!("{error} {error:?}");
                assert!(!said.contains(made_up), "{said}");
            }
        }
    }
    assert!(api.messages.read(Topic::Protected, Some(api.token)).await.is_ok());
}

/// Twenty who ask at the same time get an answer each.
pub async fn many_are_answered_at_once(api: Fresh) {
    let reads = (0..20).map(|_| api.messages.read(Topic::Protected, Some(api.token.clone())));
    for answer in join_all(reads).await {
        answer.unwrap();
    }
}

/// An API that works says so.
pub async fn the_api_answers(api: Fresh) {
    assert_eq!(api.messages.check().await, Ok(()));
}

/// While the API is away that is said and soon, and nobody is told that they were refused;
/// afterwards all is as it was. For an adapter behind which there is a server.
pub async fn an_outage_is_said_and_refuses_nobody(api: Fresh, server: &mut dyn Server) {
    let read = |topic| api.messages.read(topic, Some(api.token.clone()));
    read(Topic::Protected).await.unwrap();
    server.stop().await;
    let begun = Instant::now();
    for topic in [Topic::Public, Topic::Protected, Topic::Admin] {
        let answer = read(topic).await;
        let is_said = matches!(answer, Err(MessageError::Failed(_) | MessageError::Timeout));
        assert!(is_said, "{answer:?}");
    }
    assert!(api.messages.check().await.is_err());
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    server.start_again().await;
    assert_eq!(api.messages.check().await, Ok(()));
    read(Topic::Protected).await.unwrap();
}
