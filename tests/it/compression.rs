//! Bodies are encoded and compressed once, and shared by clones.

use std::sync::Barrier;

use tower_otlp::{Compression, Encoding, ExportRequest, Metadata, Signal};

use crate::support::{
    allocations::allocations,
    generate::{Draw, Options},
    oracle,
};

fn request(signal: Signal) -> ExportRequest {
    let message = (0..)
        .map(|seed| oracle::generate(signal, &mut Draw::seeded(seed, Options::default())))
        .find(|message| oracle::items(message) > 5)
        .expect("most seeds have items");
    ExportRequest::from(message).with_metadata(Metadata::default().with_tenant("acme"))
}

const ENCODINGS: [Encoding; 2] = [Encoding::Protobuf, Encoding::Json];

#[test]
fn a_clone_allocates_nothing() {
    for signal in Signal::ALL {
        let request = request(signal);
        // The first one turns what was a vector into shared memory.
        let (_, count, _) = allocations(|| request.clone());
        assert!(count <= 1, "{signal}: {count}");
        let (clones, count, _) = allocations(|| [request.clone(), request.clone()]);
        assert_eq!(count, 0, "{signal}");
        for clone in clones {
            assert_eq!(clone.protobuf().as_ptr(), request.protobuf().as_ptr());
            assert_eq!(clone.items(), request.items());
        }
    }
}

#[test]
fn a_form_is_made_once_and_shared_by_clones() {
    for signal in Signal::ALL {
        let request = request(signal);
        for encoding in ENCODINGS {
            for compression in Compression::ALL {
                let early_clone = request.clone();
                let first = request.body(encoding, compression).expect("compresses");
                for holder in [&request, &early_clone, &request.clone()] {
                    let (again, count, _) = allocations(|| holder.body(encoding, compression));
                    assert_eq!(again.expect("kept").as_ptr(), first.as_ptr());
                    assert_eq!(count, 0, "{signal} {encoding:?} {compression:?}");
                }
            }
        }
    }
}

#[test]
fn the_plain_forms_are_shared_too() {
    let request = request(Signal::Logs);
    let protobuf = request
        .body(Encoding::Protobuf, Compression::None)
        .expect("as it is");
    assert_eq!(protobuf.as_ptr(), request.protobuf().as_ptr());
    assert_eq!(protobuf, request.encoded(Encoding::Protobuf));

    let json = request.clone().encoded(Encoding::Json);
    assert_eq!(json.as_ptr(), request.encoded(Encoding::Json).as_ptr());
    let body = request.body(Encoding::Json, Compression::None);
    assert_eq!(body.expect("as it is").as_ptr(), json.as_ptr());
}

#[test]
fn each_combination_is_a_form_of_its_own() {
    let request = request(Signal::Traces);
    let mut forms = Vec::new();
    for encoding in ENCODINGS {
        for compression in Compression::ALL {
            let body = request.body(encoding, compression).expect("compresses");
            assert_eq!(body, read_back_form(&request, encoding, compression));
            forms.push(body);
        }
    }
    for (position, form) in forms.iter().enumerate() {
        assert!(
            forms[..position].iter().all(|other| other != form),
            "form {position} is another's"
        );
    }
    let magic = |form: usize| forms[form][..2].to_vec();
    assert_eq!(magic(0), [0x1f, 0x8b], "gzip");
    assert_eq!(magic(1), [0x28, 0xb5], "zstd");
    assert_eq!(magic(2)[0] & 0x0f, 8, "zlib");
}

/// The same form, made anew from another request of the same bytes.
fn read_back_form(
    request: &ExportRequest,
    encoding: Encoding,
    compression: Compression,
) -> bytes::Bytes {
    let other = ExportRequest::from_protobuf(request.signal(), request.protobuf().clone())
        .expect("checked before");
    let body = other.body(encoding, compression).expect("compresses");
    assert_ne!(
        body.as_ptr(),
        request.body(encoding, compression).expect("kept").as_ptr(),
        "forms are shared by clones only"
    );
    body
}

#[test]
fn callers_at_the_same_moment_share_one_body() {
    let request = request(Signal::Metrics);
    let together = Barrier::new(4);
    let bodies: Vec<usize> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                let (request, together) = (request.clone(), &together);
                scope.spawn(move || {
                    together.wait();
                    let body = request.body(Encoding::Protobuf, Compression::Zstd);
                    body.expect("compresses").as_ptr() as usize
                })
            })
            .collect();
        callers
            .into_iter()
            .map(|caller| caller.join().expect("no panic"))
            .collect()
    });
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
}

#[test]
fn other_telemetry_has_other_forms() {
    let one = request(Signal::Logs);
    let body = one.body(Encoding::Protobuf, Compression::Gzip);
    let empty = ExportRequest::from_protobuf(Signal::Logs, Vec::new()).expect("valid");
    let other = one.with_otlp(empty.otlp().clone());
    assert_eq!(other.metadata().tenant(), Some("acme"));
    assert_ne!(
        other
            .body(Encoding::Protobuf, Compression::Gzip)
            .expect("compresses"),
        body.expect("compresses")
    );
}
