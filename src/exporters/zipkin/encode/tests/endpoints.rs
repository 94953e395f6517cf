//! Who called, and who was called.

use serde_json::json;

use super::*;

#[test]
fn the_first_name_by_rank_counts() {
    let ranks = [
        "service.peer.name",
        "peer.service",
        "server.address",
        "net.peer.name",
        "server.socket.domain",
        "net.sock.peer.name",
        "peer.hostname",
        "peer.address",
        "db.name",
    ];
    for first in 0..ranks.len() {
        // In reverse, so that the order of attributes cannot be what decides.
        let attributes: Vec<_> = ranks[first..]
            .iter()
            .rev()
            .map(|key| text(key, key))
            .collect();
        for kind in [3, 4] {
            let span = with(kind, &attributes);
            assert_eq!(
                span["remoteEndpoint"],
                json!({ "serviceName": ranks[first] })
            );
        }
    }
}

#[test]
fn the_first_address_by_rank_counts() {
    let ranks = [
        "server.address",
        "net.peer.name",
        "network.peer.address",
        "server.socket.address",
        "net.sock.peer.addr",
        "peer.address",
    ];
    for first in 0..ranks.len() {
        let address = |position: usize| text(ranks[position], &format!("10.0.0.{position}"));
        let attributes: Vec<_> = (first..ranks.len()).rev().map(address).collect();
        let span = with(3, &attributes);
        let expected = json!({ "ipv4": format!("10.0.0.{first}") });
        assert_eq!(span["remoteEndpoint"], expected);
    }
}

#[test]
fn a_port_belongs_to_its_address() {
    for (address, port) in [
        ("server.address", "server.port"),
        ("net.peer.name", "net.peer.port"),
        ("network.peer.address", "network.peer.port"),
        ("server.socket.address", "server.socket.port"),
        ("net.sock.peer.addr", "net.sock.peer.port"),
    ] {
        let span = with(3, &[int(port, 81), text(address, "10.0.0.1")]);
        let expected = json!({ "ipv4": "10.0.0.1", "port": 81 });
        assert_eq!(span["remoteEndpoint"], expected);
    }
    // Of a name and another address, the address's; without one, the name's.
    let name = [text("server.address", "db"), int("server.port", 1)];
    let mut both = name.to_vec();
    both.push(text("network.peer.address", "10.0.0.1"));
    let port = |attributes: &[String]| with(3, attributes)["remoteEndpoint"]["port"].clone();
    assert_eq!(port(&both), json!(1));
    both.push(int("network.peer.port", 2));
    assert_eq!(port(&both), json!(2));
}

#[test]
fn an_address_may_hold_its_port() {
    for (peer, expected) in [
        ("10.0.0.1:80", json!({ "ipv4": "10.0.0.1", "port": 80 })),
        (
            "[2001:db8::1]:80",
            json!({ "ipv6": "2001:db8::1", "port": 80 }),
        ),
        (
            "redis:6379",
            json!({ "serviceName": "redis", "port": 6379 }),
        ),
        ("2001:db8::1", json!({ "ipv6": "2001:db8::1" })),
        ("redis", json!({ "serviceName": "redis" })),
        ("::ffff:10.0.0.1", json!({ "ipv4": "10.0.0.1" })),
        ("fe80::1%eth0", json!({ "ipv6": "fe80::1" })),
    ] {
        let span = with(3, &[text("peer.address", peer)]);
        assert_eq!(span["remoteEndpoint"], expected, "{peer}");
    }
}

#[test]
fn a_port_that_is_none_is_left_out() {
    for port in [
        int("server.port", 0),
        int("server.port", -1),
        int("server.port", 65536),
        text("server.port", "http"),
        attribute("server.port", r#"{"doubleValue":80}"#),
    ] {
        let span = with(3, &[text("server.address", "db"), port]);
        assert_eq!(span["remoteEndpoint"], json!({ "serviceName": "db" }));
    }
    let span = with(
        3,
        &[text("server.address", "db"), text("server.port", "80")],
    );
    assert_eq!(span["remoteEndpoint"]["port"], json!(80));
    // A port alone makes no endpoint.
    assert!(
        with(3, &[int("server.port", 80)])
            .get("remoteEndpoint")
            .is_none()
    );
}

#[test]
fn who_calls_nobody_names_only_its_peer() {
    for kind in [0, 1, 2, 5] {
        let span = with(
            kind,
            &[
                text("server.address", "me"),
                text("db.name", "orders"),
                text("network.peer.address", "10.0.0.9"),
                int("network.peer.port", 5555),
            ],
        );
        let expected = json!({ "ipv4": "10.0.0.9", "port": 5555 });
        assert_eq!(span["remoteEndpoint"], expected);
        let span = with(kind, &[text("server.address", "me")]);
        assert!(span.get("remoteEndpoint").is_none(), "{span}");
        let span = with(kind, &[text("peer.service", "caller")]);
        assert_eq!(span["remoteEndpoint"], json!({ "serviceName": "caller" }));
    }
}

#[test]
fn the_source_of_an_endpoint_stays_a_tag() {
    let span = with(3, &[text("peer.service", "redis"), int("server.port", 1)]);
    let expected = json!({ "peer.service": "redis", "server.port": "1" });
    assert_eq!(span["tags"], expected);
}

#[test]
fn the_local_endpoint_has_the_address_that_the_span_says() {
    for (address, port) in [
        ("network.local.address", "network.local.port"),
        ("net.host.ip", "net.host.port"),
    ] {
        let span = with(2, &[text(address, "10.0.0.2"), int(port, 8080)]);
        let expected = json!({ "serviceName": "s", "ipv4": "10.0.0.2", "port": 8080 });
        assert_eq!(span["localEndpoint"], expected);
    }
    let span = with(2, &[text("network.local.address", "/run/my.sock")]);
    assert_eq!(span["localEndpoint"], json!({ "serviceName": "s" }));
}

#[test]
fn a_service_without_a_name_has_the_default() {
    let bare = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{
        "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}]}]}]}"#;
    let expected = json!({ "serviceName": "unknown_service" });
    assert_eq!(span(bare)["localEndpoint"], expected);
    let named = ZipkinOptions::default().default_service_name("mine");
    let expected = json!({ "serviceName": "mine" });
    assert_eq!(span_with(bare, &named)["localEndpoint"], expected);
    // Neither a name nor an address: no endpoint.
    let unnamed = ZipkinOptions::default().default_service_name("");
    assert!(span_with(bare, &unnamed).get("localEndpoint").is_none());
}

#[test]
fn the_namespace_is_a_tag_and_no_part_of_the_name() {
    let resource = |attributes: &[String]| {
        let attributes = attributes.join(",");
        span(&format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{attributes}]}},"scopeSpans":[{{"spans":[{{
            "traceId":"4bf92f3577b34da6a3ce929d0e0e4736","spanId":"1112131415161718"}}]}}]}}]}}"#
        ))
    };
    let named = resource(&[
        text("service.namespace", "shop"),
        text("service.name", "cart"),
    ]);
    assert_eq!(named["localEndpoint"], json!({ "serviceName": "cart" }));
    assert_eq!(named["tags"], json!({ "service.namespace": "shop" }));
    // A name that can be none is not lost.
    for (attribute, tag) in [
        (int("service.name", 5), "5"),
        (text("service.name", ""), ""),
    ] {
        let unnamed = resource(&[attribute]);
        let expected = json!({ "serviceName": "unknown_service" });
        assert_eq!(unnamed["localEndpoint"], expected);
        assert_eq!(unnamed["tags"], json!({ "service.name": tag }));
    }
}

#[test]
fn an_address_is_no_name() {
    for key in [
        "service.peer.name",
        "peer.service",
        "server.socket.domain",
        "net.sock.peer.name",
        "peer.hostname",
        "db.name",
    ] {
        let address = text(key, "10.0.0.1");
        assert!(
            with(3, std::slice::from_ref(&address))
                .get("remoteEndpoint")
                .is_none(),
            "{key}"
        );
        let span = with(3, &[address, text("peer.address", "redis")]);
        assert_eq!(
            span["remoteEndpoint"],
            json!({ "serviceName": "redis" }),
            "{key}"
        );
    }
}

#[test]
fn newer_keys_of_the_local_endpoint_go_before_older_ones() {
    let old = [text("net.host.ip", "10.0.0.1"), int("net.host.port", 1)];
    let new = [
        text("network.local.address", "10.0.0.2"),
        int("network.local.port", 2),
    ];
    let local = |attributes: &[String]| with(2, attributes)["localEndpoint"].clone();
    let expected = json!({ "serviceName": "s", "ipv4": "10.0.0.2", "port": 2 });
    assert_eq!(local(&[&old[..], &new].concat()), expected);
    // One that can be none gives way.
    let odd = [
        text("network.local.address", "/run/my.sock"),
        int("network.local.port", 0),
    ];
    let expected = json!({ "serviceName": "s", "ipv4": "10.0.0.1", "port": 1 });
    assert_eq!(local(&[&old[..], &odd].concat()), expected);
}

#[test]
fn addresses_of_both_versions_have_their_fields_in_protobuf() {
    let attributes = [
        text("network.local.address", "2001:db8::1"),
        int("network.local.port", 80),
        text("network.peer.address", "10.0.0.7"),
        int("network.peer.port", 65_535),
    ];
    let body = protobuf(&one(&format!(r#""attributes":[{}]"#, attributes.join(","))));
    // Fields 8 and 9 of a span; 1, 2, 3 and 4 of an endpoint.
    let local = [
        &b"\x42\x17\x0a\x01s\x1a\x10\x20\x01\x0d\xb8"[..],
        &[0; 11],
        b"\x01\x20\x50",
    ];
    let remote = b"\x4a\x0a\x12\x04\x0a\x00\x00\x07\x20\xff\xff\x03";
    let expected = [&local.concat()[..], remote].concat();
    assert!(
        body.windows(expected.len())
            .any(|window| window == expected),
        "{}",
        hex_text(&body)
    );
}
