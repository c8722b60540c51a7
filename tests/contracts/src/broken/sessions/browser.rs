use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use portico_domain::{
    model::{AccessToken, Claims, LoginAttempt, LoginLoopGuard, Session, SessionChange, State},
    ports::{
        LoginAttempts, Renewal, SaveSessionError, SessionStore, SessionsUnavailable, TokenRenewal,
    },
};

use super::{BrokenSite, Fault};
use crate::{
    fixtures,
    sessions::{Browser, Cookies, FixedRenewal, Site},
};

/// One browser of a [`BrokenSite`], with the faults of sessions and log-in attempts.
pub(super) struct BrokenBrowser {
    site: BrokenSite,
    inner: Box<dyn Browser>,
    /// The session when the browser was opened.
    initial: Option<Session>,
    remembered: AtomicUsize,
    is_locked: AtomicBool,
}

impl BrokenBrowser {
    pub(super) async fn open(site: BrokenSite, cookies: Cookies) -> Self {
        let inner = site.inner.instance().browser(cookies).await;
        let initial = inner.current().await.ok().flatten();
        Self {
            site,
            inner,
            initial,
            remembered: AtomicUsize::new(0),
            is_locked: AtomicBool::new(false),
        }
    }
}

impl Browser for BrokenBrowser {
    fn cookies(&self) -> Cookies {
        self.inner.cookies()
    }
}

#[async_trait]
impl SessionStore for BrokenBrowser {
    async fn current(&self) -> Result<Option<Session>, SessionsUnavailable> {
        let current = match (self.site.fault, self.inner.current().await) {
            (Fault::ReportsOutageAsAbsence, Err(_)) => None,
            (_, current) => current?,
        };
        if self.site.fault == Fault::ReturnsSessionOnce {
            self.inner.end().await?;
        }
        let is_revoked = |session: &Session| {
            self.site.recorded().revoked.iter().any(|revocation| revocation.covers(session))
        };
        Ok(match self.site.fault {
            Fault::InventsSession => Some(current.unwrap_or_else(fixtures::session)),
            _ => current.filter(|session| !is_revoked(session)),
        })
    }

    async fn start(&self, session: &Session) -> Result<(), SaveSessionError> {
        let before = self.inner.current().await?;
        let mut session = session.clone();
        match (self.site.fault, before) {
            (Fault::KeepsFirstSession, Some(_)) => return Ok(()),
            (Fault::TruncatesTokens, _) => {
                let token = session.tokens().access_token.expose();
                let short: String = token.chars().take(4_096).collect();
                session.identity.tokens.access_token = AccessToken::new(short);
            }
            (Fault::MixesClaims, Some(before)) => {
                let mut claims = before.identity.claims.to_map();
                claims.extend(session.identity.claims.to_map());
                session.identity.claims = Claims::new(&claims);
            }
            (Fault::TruncatesAtNul, _) => {
                session.device = session.device.split('\0').next().unwrap_or_default().into();
            }
            _ => {}
        }
        self.site.recorded().last = Some(session.clone());
        self.inner.start(&session).await
    }

    async fn update(&self, change: &SessionChange) -> Result<Option<Session>, SaveSessionError> {
        let current = self.inner.current().await?;
        let last = self.site.recorded().last.clone();
        let written = match self.site.fault {
            Fault::LosesChanges => return Ok(current.map(|now| now.with(change.clone()))),
            Fault::RevivesByUpdate => current.or(last),
            Fault::WritesStaleSession => self.initial.clone().or(current),
            Fault::WritesAfterReading => {
                self.site.pause().await;
                current
            }
            _ => return self.inner.update(change).await,
        };
        let written = written.map(|session| session.with(change.clone()));
        if let Some(session) = &written {
            self.inner.start(session).await?;
        }
        Ok(written)
    }

    async fn refresh<'a>(
        &self,
        stale: &Session,
        renewal: &'a (dyn TokenRenewal + 'a),
    ) -> Result<Option<Session>, SaveSessionError> {
        let Some(current) = self.inner.current().await? else { return Ok(None) };
        let renewal = match self.site.fault {
            Fault::RenewsWithoutLock | Fault::RenewsAlways | Fault::RevivesByUpdate => {
                match renewal.renew(&current).await {
                    Renewal::Refreshed(tokens) => {
                        return self.update(&SessionChange::Refreshed(tokens)).await;
                    }
                    other => &FixedRenewal(other),
                }
            }
            Fault::ReturnsStaleSession => match renewal.renew(&current).await {
                Renewal::Unchanged => return Ok(Some(current)),
                other => &FixedRenewal(other),
            },
            Fault::KeepsLockAfterFailure => {
                if self.is_locked.swap(true, Ordering::SeqCst) {
                    return Ok(Some(current));
                }
                renewal
            }
            Fault::IgnoresEndOfRenewal => match renewal.renew(&current).await {
                Renewal::End => &FixedRenewal(Renewal::Unchanged),
                other => &FixedRenewal(other),
            },
            _ => renewal,
        };
        self.inner.refresh(stale, renewal).await
    }

    async fn end(&self) -> Result<(), SessionsUnavailable> {
        let has_no_session = self.inner.current().await?.is_none();
        match self.site.fault {
            Fault::IgnoresEnd => return Ok(()),
            Fault::FailsToEndTwice if has_no_session => {
                return Err(SessionsUnavailable("no row".into()));
            }
            Fault::LosesAttemptsAtEnd => self.lose_attempts().await?,
            _ => {}
        }
        self.inner.end().await
    }
}

#[async_trait]
impl LoginAttempts for BrokenBrowser {
    async fn remember(&self, attempt: &LoginAttempt) -> Result<(), SessionsUnavailable> {
        let number = self.remembered.fetch_add(1, Ordering::SeqCst);
        if self.site.fault == Fault::RefusesLastAttempt && number == LoginAttempt::MAX_OPEN {
            return Ok(());
        }
        self.site.recorded().states.push(attempt.state.clone());
        self.inner.remember(attempt).await
    }

    async fn take(&self, state: &State) -> Result<Option<LoginAttempt>, SessionsUnavailable> {
        if self.site.fault == Fault::IgnoresCaseOfState {
            let state = State::new(state.expose().to_lowercase());
            return self.inner.take(&state).await;
        }
        let taken = self.inner.take(state).await?;
        match (self.site.fault, &taken) {
            (Fault::ReturnsAttemptTwice, Some(attempt)) => self.inner.remember(attempt).await?,
            (Fault::LosesOtherAttempts, Some(_)) => self.lose_attempts().await?,
            (Fault::TakesAfterReading, Some(attempt)) => {
                self.inner.remember(attempt).await?;
                self.site.pause().await;
                self.inner.take(state).await?;
            }
            _ => {}
        }
        Ok(taken)
    }

    async fn loop_guard(&self) -> LoginLoopGuard {
        self.inner.loop_guard().await
    }

    async fn set_loop_guard(&self, guard: &LoginLoopGuard) {
        if self.site.fault != Fault::LosesLoopGuard {
            self.inner.set_loop_guard(guard).await;
        }
    }
}

impl BrokenBrowser {
    async fn lose_attempts(&self) -> Result<(), SessionsUnavailable> {
        let states = self.site.recorded().states.clone();
        for state in states {
            self.inner.take(&state).await?;
        }
        Ok(())
    }
}
