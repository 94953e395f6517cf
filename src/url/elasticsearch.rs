//! `elasticsearch+http:`, `elasticsearch+https:`, `opensearch+http:` and `opensearch+https:`

use super::{
    UrlError, http,
    options::common_options,
    parse::Target,
    value::{flag, one_of},
};
use crate::{
    BoxExporter, Compression, ExporterExt as _, Signal,
    exporters::elasticsearch::{
        BulkAction, BulkFormat, DocumentIds, ElasticsearchBuilder, ElasticsearchExporter, Mapping,
        Product,
    },
};

/// The port of both servers.
const PORT: u16 = 9200;

/// What both servers read.
const COMPRESSIONS: [(&str, Compression); 2] =
    [("none", Compression::None), ("gzip", Compression::Gzip)];

pub(super) fn http(target: Target) -> Result<BoxExporter, UrlError> {
    plain(target, Product::Elasticsearch)
}

pub(super) fn opensearch_http(target: Target) -> Result<BoxExporter, UrlError> {
    plain(target, Product::OpenSearch)
}

#[cfg(feature = "tls")]
pub(super) fn https(target: Target) -> Result<BoxExporter, UrlError> {
    tls(target, Product::Elasticsearch)
}

#[cfg(feature = "tls")]
pub(super) fn opensearch_https(target: Target) -> Result<BoxExporter, UrlError> {
    tls(target, Product::OpenSearch)
}

fn plain(mut target: Target, product: Product) -> Result<BoxExporter, UrlError> {
    let client = http::client(&mut target)?;
    let builder = builder(&mut target, "http", PORT, product)?.client(client);
    finish(target, builder)
}

#[cfg(feature = "tls")]
fn tls(mut target: Target, product: Product) -> Result<BoxExporter, UrlError> {
    let client = http::tls_client(&mut target)?;
    let port = super::options::HTTPS_PORT;
    let builder = builder(&mut target, "https", port, product)?.client(client);
    finish(target, builder)
}

fn builder(
    target: &mut Target,
    scheme: &str,
    default_port: u16,
    product: Product,
) -> Result<ElasticsearchBuilder, UrlError> {
    let endpoint = http::endpoint(target, scheme, default_port)?;
    let path = target.path().to_owned();
    let nodes = target.params.take("node")?.unwrap_or_default();
    let format = format(target)?.product(product);
    let params = &mut target.params;
    let builder = ElasticsearchExporter::builder().endpoint(endpoint);
    let mut builder = common_options!(params, builder, COMPRESSIONS).format(format);
    for node in nodes.split(',').filter(|node| !node.is_empty()) {
        builder = builder.node(node_url(node, scheme, default_port, &path)?);
    }
    if let Some(key) = params.take("api_key")? {
        builder = builder.api_key(key);
    }
    if let Some(pipeline) = params.take("pipeline")? {
        builder = builder.pipeline(pipeline);
    }
    if let Some(require) = params.read("require_data_stream", flag)? {
        builder = builder.require_data_stream(require);
    }
    Ok(builder)
}

/// Another node by its `host` or `host:port`: scheme, path and user are those of the URL.
fn node_url(node: &str, scheme: &str, default_port: u16, path: &str) -> Result<String, UrlError> {
    let is_authority = |letter: char| letter.is_alphanumeric() || "-._:[]".contains(letter);
    if !node.chars().all(is_authority) {
        return Err(UrlError::parameter(
            "node",
            "it is not a list of host:port with commas between",
        ));
    }
    let has_port = node
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.contains(']'));
    Ok(if has_port {
        format!("{scheme}://{node}{path}")
    } else {
        format!("{scheme}://{node}:{default_port}{path}")
    })
}

fn format(target: &mut Target) -> Result<BulkFormat, UrlError> {
    let params = &mut target.params;
    let mut format = BulkFormat::default();
    let mappings = Mapping::ALL.map(|mapping| (mapping.as_str(), mapping));
    if let Some(mapping) = params.read("mapping", |value| one_of(value, &mappings))? {
        format = format.mapping(mapping);
    }
    if let Some(prefix) = params.take("prefix")? {
        format = format.index_prefix(&prefix);
    }
    for (name, kind) in [
        ("traces_index", Signal::Traces),
        ("metrics_index", Signal::Metrics),
        ("logs_index", Signal::Logs),
    ] {
        if let Some(index) = params.take(name)? {
            format = format.index(kind, index);
        }
    }
    if let Some(dataset) = params.take("dataset")? {
        format = format.dataset(dataset);
    }
    if let Some(namespace) = params.take("namespace")? {
        format = format.namespace(namespace);
    }
    let actions = [("create", BulkAction::Create), ("index", BulkAction::Index)];
    if let Some(action) = params.read("action", |value| one_of(value, &actions))? {
        format = format.action(action);
    }
    let ids = [
        ("server", DocumentIds::Server),
        ("content", DocumentIds::Content),
        ("attribute", DocumentIds::Attribute),
    ];
    if let Some(ids) = params.read("document_ids", |value| one_of(value, &ids))? {
        format = format.document_ids(ids);
    }
    Ok(format)
}

fn finish(target: Target, builder: ElasticsearchBuilder) -> Result<BoxExporter, UrlError> {
    target.params.finish()?;
    let exporter = builder.build().map_err(UrlError::refused)?;
    Ok(exporter.boxed_exporter())
}
