//! The services that a server mounts.

use std::{
    convert::Infallible,
    fmt,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tonic::{body::Body, server::NamedService};
use tower::BoxError;
use tower_service::Service;

use super::{OtlpGrpcReceiver, ResponseFuture};
use crate::{Exporter, Signal, grpc};

impl<E, B> Service<Request<B>> for OtlpGrpcReceiver<E>
where
    E: Exporter,
    B: HttpBody<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = ResponseFuture<E, B>;

    /// Always ready: the exporter's readiness is part of each call.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ResponseFuture::new(request, &self.exporter, &self.options)
    }
}

macro_rules! named_service {
    ($(#[$doc:meta])* $name:ident, $signal:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name<E> {
            receiver: OtlpGrpcReceiver<E>,
        }

        impl<E> $name<E> {
            /// The service over this exporter, with default options. For others, make it by
            /// [`OtlpGrpcReceiver`].
            #[must_use]
            pub fn new(exporter: E) -> Self {
                Self::from(OtlpGrpcReceiver::new(exporter))
            }
        }

        impl<E> From<OtlpGrpcReceiver<E>> for $name<E> {
            fn from(receiver: OtlpGrpcReceiver<E>) -> Self {
                Self { receiver }
            }
        }

        impl<E> NamedService for $name<E> {
            const NAME: &'static str = grpc::service_name($signal);
        }

        impl<E> fmt::Debug for $name<E> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.receiver).finish()
            }
        }

        impl<E, B> Service<Request<B>> for $name<E>
        where
            E: Exporter,
            B: HttpBody<Data = Bytes>,
            B::Error: Into<BoxError>,
        {
            type Response = Response<Body>;
            type Error = Infallible;
            type Future = ResponseFuture<E, B>;

            fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                <OtlpGrpcReceiver<E> as Service<Request<B>>>::poll_ready(&mut self.receiver, cx)
            }

            fn call(&mut self, request: Request<B>) -> Self::Future {
                self.receiver.call(request)
            }
        }
    };
}

named_service! {
    /// `opentelemetry.proto.collector.trace.v1.TraceService` over an exporter.
    TraceServiceServer, Signal::Traces
}
named_service! {
    /// `opentelemetry.proto.collector.metrics.v1.MetricsService` over an exporter.
    MetricsServiceServer, Signal::Metrics
}
named_service! {
    /// `opentelemetry.proto.collector.logs.v1.LogsService` over an exporter.
    LogsServiceServer, Signal::Logs
}
