//! What made the telemetry: resource and scope.

use super::{Str, view};

view! {
    /// What made the telemetry: a service, a host, a device.
    pub Resource {
        /// Attributes.
        1 attributes: attributes,
        /// Number of attributes that the sender left out.
        2 dropped_attributes_count: uint32,
        /// Entities that the resource consists of (in development in OTLP).
        3 entity_refs: repeated<EntityRef>,
    }
}

view! {
    /// An entity that a resource consists of (in development in OTLP).
    pub EntityRef {
        /// Schema URL of the entity.
        1 schema_url: str,
        /// Type of the entity.
        2 kind: str,
        /// Keys of the resource attributes that identify it.
        3 id_keys: repeated<Str>,
        /// Keys of the resource attributes that describe it.
        4 description_keys: repeated<Str>,
    }
}

view! {
    /// The library, or the part of an application, that made the telemetry.
    pub Scope {
        /// Name.
        1 name: str,
        /// Version.
        2 version: str,
        /// Attributes.
        3 attributes: attributes,
        /// Number of attributes that the sender left out.
        4 dropped_attributes_count: uint32,
    }
}
