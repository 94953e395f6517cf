//! How long series live, and how many there may be.

use super::*;

#[test]
fn points_without_a_value_end_their_series() {
    let exporter = plain();
    let two = |flags: u8| {
        format!(
            r#"{{"name":"x","gauge":{{"dataPoints":[{{"flags":{flags},"asInt":"1","attributes":[{}]}},{{"flags":{flags},"asInt":"1","attributes":[{}]}},{{"asInt":"1"}}]}}}}"#,
            attributes_of(r#""a":"1""#),
            attributes_of(r#""a":"2""#)
        )
    };
    take(&exporter, &metrics(&two(0)));
    assert_eq!(exporter.stats().series, 3);
    // Not only the first point of the metric.
    take(&exporter, &metrics(&two(1)));
    assert_eq!(text(&exporter), "# TYPE x gauge\nx 1\n");
    take(&exporter, &metrics(&two(1)));
    take(&exporter, &metrics(&two(0)));
    assert_eq!(exporter.stats().series, 3);
}

#[tokio::test(start_paused = true)]
async fn series_expire() {
    let builder = PrometheusExporter::builder().metric_expiration(Duration::from_secs(60));
    let exporter = built(builder);
    let resource = r#""service.name":"cart","host.name":"a""#;
    take(&exporter, &with_resource(resource, &gauge("old", "1")));
    tokio::time::advance(Duration::from_secs(40)).await;
    take(&exporter, &with_resource(resource, &gauge("new", "1")));
    assert!(text(&exporter).contains("old"));
    tokio::time::advance(Duration::from_secs(21)).await;
    let page = text(&exporter);
    assert!(
        !page.contains("old") && page.contains("new") && page.contains("target_info"),
        "{page}"
    );
    tokio::time::advance(Duration::from_secs(40)).await;
    assert_eq!(text(&exporter), "");
    assert_eq!(exporter.stats().series, 0);
    // They come back, also as something else.
    take(&exporter, &with_resource(resource, &counter("old", 1, 1)));
    take(&exporter, &with_resource(resource, &counter("new", 1, 1)));
    assert!(text(&exporter).contains("target_info"));
    assert_eq!(exporter.stats().series, 3);
}

#[tokio::test(start_paused = true)]
async fn zero_means_that_nothing_expires() {
    let exporter = built(PrometheusExporter::builder().metric_expiration(Duration::ZERO));
    take(&exporter, &metrics(&gauge("x", "1")));
    tokio::time::advance(Duration::from_secs(1 << 30)).await;
    take(&exporter, &metrics(&gauge("y", "1")));
    assert_eq!(exporter.stats().series, 2);
    assert!(text(&exporter).contains("x 1"));
}

#[tokio::test(start_paused = true)]
async fn a_name_whose_metric_expired_is_free() {
    let builder = PrometheusExporter::builder().metric_expiration(Duration::from_secs(60));
    let exporter = built(builder);
    take(&exporter, &metrics(&gauge("x", "1")));
    let summary = metrics(r#"{"name":"x","summary":{"dataPoints":[{"count":"1","sum":1}]}}"#);
    refuse(&exporter, &summary, "has its name");
    tokio::time::advance(Duration::from_secs(61)).await;
    take(&exporter, &summary);
    assert!(text(&exporter).contains("# TYPE x summary"));
}

#[tokio::test(start_paused = true)]
async fn the_number_of_series_is_bounded() {
    let exporter = built(PrometheusExporter::builder().max_series(10));
    let many: Vec<String> = (0..25)
        .map(|number| labelled(&format!(r#""n":"{number}""#), 1))
        .collect();
    let request = metrics(&many.join(","));
    let answer = export(&exporter, &request);
    assert_eq!(
        (answer.delivered_items(), answer.rejected_items()),
        (10, 15)
    );
    let message = answer.message().expect("a message");
    assert!(
        message.contains("max_series") && message.contains("`x`"),
        "{message}"
    );
    let stats = exporter.stats();
    assert_eq!((stats.series, stats.overflowed_points), (10, 15));
    assert_eq!(text(&exporter).lines().count(), 11);
    // Those that are there go on; others take the place of those that expire.
    take(&exporter, &metrics(&many[..10].join(",")));
    tokio::time::advance(Duration::from_secs(301)).await;
    take(&exporter, &metrics(&many[15..].join(",")));
}

#[test]
fn a_random_hash_never_decides_alone() {
    // Tens of thousands of series, each found again by its content.
    let exporter = built(PrometheusExporter::builder().target_info(false));
    let points = |value: u32| {
        let points = (0..20_000).map(|number| {
            format!(r#"{{"asInt":"{}","attributes":[{{"key":"n","value":{{"intValue":"{number}"}}}}]}}"#, number * value)
        });
        metrics(&format!(
            r#"{{"name":"x","gauge":{{"dataPoints":[{}]}}}}"#,
            points.collect::<Vec<_>>().join(",")
        ))
    };
    take(&exporter, &points(1));
    take(&exporter, &points(3));
    assert_eq!(exporter.stats().series, 20_000);
    let page = String::from_utf8(exporter.render(Format::OpenMetrics1, EscapingScheme::AllowUtf8))
        .expect("UTF-8");
    for number in [0, 1, 77, 19_999] {
        assert!(page.contains(&format!("x{{n=\"{number}\"}} {}.0\n", number * 3)));
    }
}
