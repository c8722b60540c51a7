//! Example values.

use chrono::{DateTime, Utc};
use serde_json::json;

use portico_domain::model::{
    AccessToken, AuthorizationParameters, Claims, CodeVerifier, IdToken, Identity, LoginAttempt,
    NextPage, Nonce, Permission, Profile, Session, SessionId, State, Tokens, User,
};

/// The issuer of the examples.
pub const ISSUER: &str = "https://id.example/";

/// A person who just signed in.
pub fn identity() -> Identity {
    let claims =
        json!({"iss": ISSUER, "sub": "user-1", "name": "Jo Example", "email": "jo@example.com"});
    let claims = claims.as_object().cloned().unwrap_or_default();
    Identity {
        issuer: ISSUER.into(),
        subject: "user-1".into(),
        profile: Profile::from_claims(&claims),
        claims: Claims::new(&claims),
        permissions: vec![Permission::new("read:messages")],
        tokens: Tokens {
            id_token: IdToken::new("id-token"),
            access_token: AccessToken::new("access-token"),
            access_token_expires_at: None,
            refresh_token: None,
        },
        provider_session_id: Some("provider-session".into()),
    }
}

/// Their session, started at the epoch.
pub fn session() -> Session {
    session_at(DateTime::UNIX_EPOCH)
}

/// Their session, started at this time.
pub fn session_at(start: DateTime<Utc>) -> Session {
    Session::new(SessionId::new([1; 32]), "Firefox on Linux", identity(), start)
}

/// Their record, at the first login.
pub fn user() -> User {
    let person = identity();
    User {
        issuer: person.issuer,
        subject: person.subject,
        profile: person.profile,
        first_seen: DateTime::UNIX_EPOCH,
        last_login: DateTime::UNIX_EPOCH,
        logins: 1,
    }
}

/// An attempt begun at the epoch. A `next` that is no page of the site becomes the profile.
pub fn attempt(state: &str, next: &str) -> LoginAttempt {
    LoginAttempt {
        state: State::new(state),
        nonce: Nonce::new(format!("nonce of {state}")),
        code_verifier: CodeVerifier::new(format!("verifier of {state}")),
        next: NextPage::parse_or_profile(Some(next)),
        requested: AuthorizationParameters::default(),
        started_at: DateTime::UNIX_EPOCH,
    }
}
