//! The OpenAPI description, generated from the handlers, and the page that shows it.

use axum::Router;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder};
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::error::ErrorBody;
use crate::state::AppState;

/// General part of the API description: title, license, and the schema of errors.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "churn",
        description = "Which customers are about to leave, and why. Upload events, make features, train, predict; everything \
             that takes time is a job in the background.",
        license(name = "MIT", identifier = "MIT")
    ),
    components(schemas(ErrorBody))
)]
struct Start;

/// Returns the API description without operations.
pub(super) fn start() -> OpenApi {
    Start::openapi()
}

/// Routes of the Swagger UI at `/docs` and of the description at `/openapi.json`. Nothing is loaded from other servers.
pub(super) fn page(openapi: OpenApi) -> Router<AppState> {
    // "none": the description is not sent to an external validator.
    let config = Config::default().validator_url("none").persist_authorization(true);
    SwaggerUi::new("/docs").url("/openapi.json", openapi).config(config).into()
}

/// Error responses of every operation.
const ANY: &[(&str, &str)] = &[
    ("400", "A parameter or the body cannot be what is meant"),
    ("429", "Too many requests with this token, or too many open jobs; Retry-After says when to come again"),
    ("500", "Something went wrong on this side"),
    ("502", "The storage refuses this server (`storage_denied`)"),
    ("503", "Database or storage are away, or the answer took too long"),
    ("507", "A disk, or the storage, is full (`storage_full`)"),
];
/// Error responses of operations that need a token.
const WITH_TOKEN: &[(&str, &str)] = &[
    ("401", "No token, or one that is not taken here"),
    ("403", "The token does not open this organization, or its role is too low"),
];
/// Error responses of operations with an id in the path.
const WITH_PATH: &[(&str, &str)] = &[("404", "There is no such organization, or nothing of this id in it")];
/// Error responses of operations with a request body.
const WITH_BODY: &[(&str, &str)] = &[
    ("413", "The body is larger, or the log has more rows, than what is taken"),
    (
        "415",
        "The content type is not the one that is expected, or the storage does not take such files (`storage_type_refused`)",
    ),
    ("422", "The body can be read but not used: a field or a row is wrong, details say where"),
];

/// Error responses of operations that take a form.
const WITH_FORM: &[(&str, &str)] = &[("408", "The form comes too slowly (`upload_too_slow`)")];

/// Adds what all operations have in common: path parameters, errors, and the token where one is needed.
pub(super) fn complete(openapi: &mut OpenApi, needs_token: bool) {
    let components = openapi.components.get_or_insert_with(Components::new);
    components.security_schemes.insert(
        "token".to_owned(),
        RefOr::T(SecurityScheme::Http(
            Http::builder()
                .scheme(HttpAuthScheme::Bearer)
                .description(Some("A JWT or an API key. Not needed where the server runs without SECRET_KEY."))
                .build(),
        )),
    );
    for (path, item) in &mut openapi.paths.paths {
        let is_api = path.starts_with(super::BASE);
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            parameters(path, operation);
            if !is_api {
                continue;
            }
            let mut errors = [ANY, WITH_TOKEN].concat();
            if path.contains('{') {
                errors.extend(WITH_PATH);
            }
            if let Some(body) = &operation.request_body {
                errors.extend(WITH_BODY);
                if matches!(body, RefOr::T(body) if body.content.contains_key("multipart/form-data")) {
                    errors.extend(WITH_FORM);
                }
            }
            for (status, description) in errors {
                let answer = ResponseBuilder::new().description(description).content(
                    "application/json",
                    ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorBody"))).build(),
                );
                operation.responses.responses.entry(status.to_owned()).or_insert_with(|| answer.build().into());
            }
            let token = SecurityRequirement::new("token", Vec::<String>::new());
            operation.security = Some(match needs_token {
                true => vec![token],
                false => vec![token, SecurityRequirement::default()],
            });
        }
    }
}

/// Adds the ids in the path as parameters of the operation.
fn parameters(path: &str, operation: &mut Operation) {
    for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
        let known = operation.parameters.get_or_insert_default();
        if known.iter().any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == name)) {
            continue;
        }
        let schema = ObjectBuilder::new().schema_type(Type::String);
        let schema = match name {
            "org_id" => schema.pattern(Some("^[A-Za-z0-9_-]{1,64}$")).examples([serde_json::json!("acme")]),
            _ => schema.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))),
        };
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(schema));
        known.push(parameter.build().into());
    }
}
