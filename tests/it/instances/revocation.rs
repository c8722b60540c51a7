//! Refresh tokens of ended sessions, which are revoked at the provider.

use super::*;

/// With an end-session endpoint, the token would be revoked a minute after the log-out.
#[tokio::test]
async fn pending_revocations_are_made_at_shutdown() {
    let cluster = Cluster::new(Store::DatabaseSqlite).await;
    let shutdown = "{ctrlc=false,signals=[\"term\"],grace=2,mercy=2}".to_owned();
    let instance = cluster.first(&[("ROCKET_SHUTDOWN", shutdown)]).await;
    let browser = signed_in(&instance).await;
    let origin = instance.at("/").trim_end_matches('/').to_owned();
    let page = browser.post(&instance.at("/logout"), &[], &[("Origin", &origin)]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{}", page.text());
    assert_eq!(cluster.servers.request_count("revoked"), 0);
    assert!(instance.terminate().await.success());
    assert_eq!(cluster.servers.request_count("revoked"), 1);
}

#[rstest]
#[case::sqlite(Store::DatabaseSqlite)]
#[cfg_attr(not(redis), ignore = "Redis is missing: apt-get install redis-server")]
#[case::redis(Store::Redis)]
#[tokio::test]
async fn deleting_user_revokes_refresh_tokens(#[case] store: Store) {
    let cluster = Cluster::new(store).await;
    let instance = cluster.first(&[]).await;
    for _ in 0..2 {
        signed_in(&instance).await;
    }
    let list = cluster.run(&["users", "list"]).await;
    let [.., issuer, subject, USER] = list.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{list}");
    };
    cluster.run(&["users", "delete", issuer, subject]).await;
    assert_eq!(cluster.servers.request_count("revoked"), 2);
}
