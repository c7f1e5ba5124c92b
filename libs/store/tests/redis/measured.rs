//! What is counted of Redis's answers.

use holdfast_ports::Keys;
use holdfast_store::FrontedKeys;
use holdfast_store::suite::key;

use super::world::{World, foreign, is_completed, patient, request};

#[tokio::test]
async fn hits_misses_and_a_redis_that_is_away_are_counted() {
    let mut world = World::new().await;
    let telemetry = holdfast_telemetry::scraped().unwrap();
    let keys = FrontedKeys::new(world.index.clone(), &patient(&world.redis), None).unwrap();
    let keys = keys.measured(telemetry.metrics());
    let said = |answer: &str| {
        let series = format!("holdfast_keys_front_total{{answer=\"{answer}\"}}");
        telemetry.scrape().unwrap().value(&series).unwrap()
    };
    assert_eq!((said("hit"), said("miss"), said("away")), (0.0, 0.0, 0.0));
    keys.begin(request(&key("new"), foreign("a"))).await.unwrap();
    assert_eq!((said("hit"), said("miss"), said("away")), (0.0, 1.0, 0.0));
    let ended = key("done");
    world.done(&ended, "a", "paid").await;
    assert!(is_completed(&keys.begin(request(&ended, foreign("b"))).await.unwrap(), "paid"));
    assert_eq!((said("hit"), said("miss"), said("away")), (1.0, 1.0, 0.0));
    world.redis.kill().unwrap();
    for _ in 0..2 {
        assert!(is_completed(&keys.begin(request(&ended, foreign("b"))).await.unwrap(), "paid"));
    }
    assert_eq!((said("hit"), said("miss"), said("away")), (1.0, 1.0, 2.0));
}
