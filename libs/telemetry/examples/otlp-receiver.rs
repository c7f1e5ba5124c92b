//! Stands in Jaeger's place where its image can't be had: takes traces by OTLP (gRPC), and writes a span a line on stdout.

use std::error::Error;
use std::io::Write as _;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Known;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

struct Writer;

#[tonic::async_trait]
impl TraceService for Writer {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut stdout = std::io::stdout().lock();
        for group in request.into_inner().resource_spans {
            let service = group.resource.as_ref().map(service_name).unwrap_or_default();
            for span in group.scope_spans.iter().flat_map(|scope| &scope.spans) {
                // Whoever read this has gone: there is nobody left to tell.
                let _ = writeln!(stdout, "{}", line(service, span));
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn service_name(resource: &Resource) -> &str {
    let name = resource.attributes.iter().find(|attribute| attribute.key == "service.name");
    match name.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Known::StringValue(name)) => name,
        _ => "",
    }
}

fn line(service: &str, span: &Span) -> Value {
    json!({
        "service": service,
        "name": span.name,
        "trace": hex(&span.trace_id),
        "span": hex(&span.span_id),
        "parent": hex(&span.parent_span_id),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4317".to_owned());
    let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(Writer));
    Ok(server.serve(address.parse()?).await?)
}
