use rocket::{Shutdown, config};

/// Requests the shutdown when one of the signals in Rocket's settings arrives.
pub(super) fn notify(settings: &config::Shutdown, shutdown: &Shutdown) {
    if settings.ctrlc {
        let shutdown = shutdown.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                log::info!("received an interrupt: shutting down");
                shutdown.notify();
            }
        });
    }
    #[cfg(unix)]
    for wanted in &settings.signals {
        use config::Sig;
        use tokio::signal::unix::{SignalKind, signal};

        let kind = match wanted {
            Sig::Alrm => SignalKind::alarm(),
            Sig::Chld => SignalKind::child(),
            Sig::Hup => SignalKind::hangup(),
            Sig::Io => SignalKind::io(),
            Sig::Pipe => SignalKind::pipe(),
            Sig::Quit => SignalKind::quit(),
            Sig::Term => SignalKind::terminate(),
            Sig::Usr1 => SignalKind::user_defined1(),
            Sig::Usr2 => SignalKind::user_defined2(),
            _ => continue,
        };
        match signal(kind) {
            Ok(mut signal) => {
                let shutdown = shutdown.clone();
                tokio::spawn(async move {
                    if signal.recv().await.is_some() {
                        log::info!("received a signal: shutting down");
                        shutdown.notify();
                    }
                });
            }
            Err(cause) => log::warn!("cannot wait for a signal: {cause}"),
        }
    }
}
