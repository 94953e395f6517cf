//! The series `target_info`.

use super::*;

#[test]
fn target_info_of_several_resources_is_one_series_if_it_is_the_same() {
    let resource = |host: &str| {
        let attributes = attributes_json(&[("service.name", "cart"), ("host.name", host)]);
        let point = point(r#","asInt":"1""#);
        format!(
            r#"{{"resource":{{"attributes":[{attributes}]}},"scopeMetrics":[{{"metrics":[
            {{"name":"x_{host}","gauge":{{"dataPoints":[{point}]}}}}]}}]}}"#
        )
    };
    let request = json(&format!(
        r#"{{"resourceMetrics":[{},{},{}]}}"#,
        resource("a"),
        resource("b"),
        resource("a")
    ));
    let infos: Vec<String> = names(&request)
        .into_iter()
        .filter(|name| name.starts_with("target_info"))
        .collect();
    assert_eq!(
        infos,
        [
            r#"target_info{host_name="a",job="cart"}"#,
            r#"target_info{host_name="b",job="cart"}"#
        ]
    );
}

#[test]
fn target_info_needs_a_target_and_something_to_say() {
    let x = gauges("x", &[point(r#","asInt":"1""#)]);
    for (attributes, expected) in [
        (&[("service.name", "cart")][..], false),
        (&[("host.name", "h")], false),
        (&[("service.name", "cart"), ("host.name", "")], false),
        (&[("service.name", "cart"), ("host.name", "h")], true),
        (&[("service.instance.id", "i"), ("host.name", "h")], true),
    ] {
        let all = names(&metrics_of(attributes, &x));
        let found = all.iter().any(|name| name.starts_with("target_info"));
        assert_eq!(found, expected, "{attributes:?}: {all:?}");
    }
    let request = metrics_of(&[("service.name", "cart"), ("host.name", "h")], &x);
    let without = series_with(&request, EncodeOptions::default().target_info(false));
    assert_eq!(without.len(), 1);
}

#[test]
fn target_info_is_found_at_every_time_of_its_resource() {
    let at = |second: u64| format!(r#"{{"timeUnixNano":"{second}000000000","asInt":"{second}"}}"#);
    let info = |points: &[String]| {
        let attributes = [("service.name", "cart"), ("host.name", "h")];
        let mut all = series(&metrics_of(&attributes, &gauges("x", points)));
        let info = all
            .remove(r#"target_info{host_name="h",job="cart"}"#)
            .expect("there");
        info.samples
            .iter()
            .map(|sample| sample.1)
            .collect::<Vec<i64>>()
    };
    assert_eq!(
        info(&[at(1000), at(1400)]),
        [1_000_000, 1_150_000, 1_300_000, 1_400_000]
    );
    // Not for all of history.
    assert_eq!(info(&[at(1), at(1_700_000_000)]), [1_700_000_000_000]);
}
