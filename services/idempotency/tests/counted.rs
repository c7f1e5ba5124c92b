//! Each answer is counted, by verb and durability, and no key stands in a label.

use std::sync::Arc;

use crate::common::{Replica, World, begin, complete};

#[tokio::test]
async fn answers_are_counted_by_verb_and_durability() {
    let world = World::new().await;
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let replica = Replica::measured(Arc::new(world.store.clone()), telemetry.metrics()).await;
    let mut client = replica.client.clone();
    let counted = |verb: &str, answer: &str| {
        let labels = format!("answer=\"{answer}\",durability=\"index\",verb=\"{verb}\"");
        telemetry
            .scrape()
            .unwrap()
            .value(&format!("holdfast_keys_verbs_total{{{labels}}}"))
            .unwrap_or_default()
    };
    let token = world.acquire("shop/charge/ns/claimed-by-a", "a").await;
    client.begin(begin("shop/charge/ns/1", "a")).await.unwrap();
    client.begin(begin("shop/charge/ns/claimed-by-a", "b")).await.unwrap();
    client.complete(complete("shop/charge/ns/claimed-by-a", token, "1")).await.unwrap();
    client.begin(begin("shop/charge/ns/claimed-by-a", "b")).await.unwrap();
    assert!(client.complete(complete("shop/charge/ns/1", 999, "1")).await.is_ok(), "it is kept as evidence");
    assert!(client.complete(complete("shop/charge/ns/none", 1, "1")).await.is_err());
    assert_eq!(counted("begin", "acquired"), 1.0);
    assert_eq!(counted("begin", "in_progress"), 1.0);
    assert_eq!(counted("begin", "completed"), 1.0);
    assert_eq!(counted("complete", "ok"), 2.0);
    assert_eq!(counted("complete", "not_found"), 1.0);
    let text = telemetry.scrape().unwrap().text().unwrap();
    assert!(!text.contains("shop") && !text.contains("claimed-by-a"), "{text}");
    replica.server.abort();
}
