//! A reader of RFC 5424, straight from its grammar, that shares nothing with the writer.

#![allow(clippy::expect_used)]

#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) priority: u8,
    pub(crate) timestamp: String,
    pub(crate) host_name: String,
    pub(crate) app_name: String,
    pub(crate) proc_id: String,
    pub(crate) msg_id: String,
    pub(crate) elements: Vec<Element>,
    pub(crate) text: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) id: String,
    pub(crate) parameters: Vec<(String, String)>,
}

impl Message {
    pub(crate) fn element(&self, id: &str) -> &[(String, String)] {
        let mut found = self.elements.iter().filter(|element| element.id == id);
        let element = found.next().map_or(&[][..], |element| &element.parameters);
        assert!(found.next().is_none(), "{id} stands there twice");
        element
    }
}

/// Takes octet-counted messages apart.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let space = bytes
            .iter()
            .position(|byte| *byte == b' ')
            .expect("a space");
        let (length, rest) = bytes.split_at(space);
        assert!(length.iter().all(u8::is_ascii_digit) && length[0] != b'0');
        let length = std::str::from_utf8(length).expect("digits");
        let (frame, rest) = rest[1..].split_at(length.parse().expect("a length"));
        frames.push(String::from_utf8(frame.to_vec()).expect("UTF-8"));
        bytes = rest;
    }
    frames
}

/// Reads a message. Panics at whatever the grammar does not allow.
pub(crate) fn parse(message: &str) -> Message {
    let rest = message.strip_prefix('<').expect("PRI");
    let (priority, rest) = rest.split_once('>').expect("PRI");
    assert!(priority == "0" || !priority.starts_with('0'));
    let priority = priority.parse().expect("a number");
    assert!(priority <= 191);
    let rest = rest.strip_prefix("1 ").expect("VERSION");
    let mut parts = rest.splitn(6, ' ');
    let mut header = |most: usize| {
        let value = parts.next().expect("a header value");
        assert!((1..=most).contains(&value.len()), "{value}");
        assert!(value.bytes().all(|byte| byte.is_ascii_graphic()), "{value}");
        value.to_owned()
    };
    let (timestamp, host_name, app_name, proc_id, msg_id) =
        (header(32), header(255), header(48), header(128), header(32));
    let rest = parts.next().expect("STRUCTURED-DATA");
    let (elements, rest) = match rest.strip_prefix('-') {
        Some(rest) => (Vec::new(), rest),
        None => elements(rest),
    };
    let text = match rest {
        "" => None,
        rest => Some(rest.strip_prefix(' ').expect("SP MSG").to_owned()),
    };
    Message {
        priority,
        timestamp,
        host_name,
        app_name,
        proc_id,
        msg_id,
        elements,
        text,
    }
}

fn elements(mut rest: &str) -> (Vec<Element>, &str) {
    let mut elements = Vec::new();
    while let Some(inner) = rest.strip_prefix('[') {
        let end = inner.find([' ', ']']).expect("the end of an SD-ID");
        let (id, mut inner) = inner.split_at(end);
        let mut parameters = Vec::new();
        while let Some(parameter) = inner.strip_prefix(' ') {
            let (key, after) = parameter.split_once("=\"").expect("a parameter");
            let (value, after) = value(after);
            parameters.push((name(key), value));
            inner = after;
        }
        elements.push(Element {
            id: name(id),
            parameters,
        });
        rest = inner.strip_prefix(']').expect("the end of an element");
    }
    assert!(!elements.is_empty());
    (elements, rest)
}

fn name(name: &str) -> String {
    assert!((1..=32).contains(&name.len()), "{name}");
    let allowed = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'=' | b']' | b'"');
    assert!(name.bytes().all(allowed), "{name}");
    name.to_owned()
}

/// Reads up to the quote that ends a value.
fn value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((position, letter)) = letters.next() {
        match letter {
            '"' => return (value, &text[position + 1..]),
            ']' => panic!("a bracket that is not escaped"),
            '\\' => {
                let (_, escaped) = letters.next().expect("something escaped");
                assert!(matches!(escaped, '"' | '\\' | ']'), "{escaped}");
                value.push(escaped);
            }
            letter => value.push(letter),
        }
    }
    panic!("a value without an end");
}
