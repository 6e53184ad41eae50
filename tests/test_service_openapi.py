"""The OpenAPI document: nothing that it allows makes an error of the server, nothing is answered that it does not say."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as bounds
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving import client

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


BOUNDS = bounds(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.filterwarnings("ignore")
def test_answers_are_as_described(tmp_path):
    with client(tmp_path) as served:
        document = schemathesis.openapi.from_asgi("/v1/openapi.json", served.app, headers={"Host": "localhost"})
        operations = [found.ok() for found in document.get_all_operations()]
        assert len(operations) == sum(
            len(methods) for methods in served.get("/v1/openapi.json").json()["paths"].values()
        )
        for operation in operations:

            @BOUNDS
            @given(case=operation.as_strategy())
            def holds(case):
                answer = case.call(headers={"Host": "localhost", "X-Palate": "1"})
                case.validate_response(answer, checks=CHECKS)

            holds()


def test_every_operation_is_described(tmp_path):
    with client(tmp_path) as served:
        told = served.get("/v1/openapi.json").json()
    assert told["openapi"].startswith("3.1")
    names = []
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            names.append(operation["operationId"])
            assert operation["description"], (method, path)
            assert "application/problem+json" in operation["responses"]["422"]["content"], (method, path)
            for parameter in operation.get("parameters", []):
                assert parameter["description"], (method, path, parameter["name"])
    assert len(set(names)) == len(names)
    assert {"recommend", "predict", "explain", "ask", "rate", "recommend_batch", "retrain"} <= set(names)
    assert all(len(name) <= 20 for name in names), names
    without = [name for name, shape in told["components"]["schemas"].items() if "examples" not in shape]
    assert without == []
    [only] = [
        one for one in told["paths"]["/v1/users/{user}/recommendations"]["get"]["parameters"] if one["name"] == "only"
    ]
    assert only["schema"]["type"] == "array"


def test_only_statuses_that_can_occur_are_described(tmp_path):
    with client(tmp_path) as served:
        paths = served.get("/v1/openapi.json").json()["paths"]
    statuses = lambda method, path: set(paths[path][method]["responses"])  # noqa: E731
    assert statuses("get", "/healthz") == {"200", "400", "401", "421", "422", "429"}
    assert {"403", "404", "413", "415", "500"}.isdisjoint(statuses("get", "/v1/model"))
    assert {"403", "404", "413", "415", "503"} <= statuses("put", "/v1/users/{user}/ratings/{item}")
    assert {"413", "415"}.isdisjoint(statuses("get", "/v1/users/{user}/recommendations"))


def test_the_reference_is_a_page_of_the_service_itself(tmp_path):
    with client(tmp_path) as served:
        page = served.get("/docs")
        assert page.status_code == 200
        assert "http" not in page.text.replace("<!doctype html>", "")
        assert served.get("/docs.js").status_code == served.get("/docs.css").status_code == 200
