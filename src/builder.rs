//! `ServiceBuilderExt`: one thin method per layer.
