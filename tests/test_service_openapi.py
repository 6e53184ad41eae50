"""The OpenAPI document: nothing that it allows makes an error of the server, nothing is answered that it does not say."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase
from hypothesis import settings as bounds
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from serving import client

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    with client(tmp_path_factory.mktemp("served")) as served:
        yield schemathesis.openapi.from_asgi("/v1/openapi.json", served.app, headers={"Host": "localhost"})


schema = schemathesis.pytest.from_fixture("document")


@pytest.mark.filterwarnings("ignore")
@schema.parametrize()
@bounds(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_answers_are_as_described(case):
    answer = case.call(headers={"Host": "localhost", "X-Palate": "1"})
    case.validate_response(answer, checks=CHECKS)


def test_every_operation_is_described(tmp_path):
    with client(tmp_path) as served:
        told = served.get("/v1/openapi.json").json()
    assert told["openapi"].startswith("3.1")
    for path, operations in told["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            assert "application/problem+json" in operation["responses"]["422"]["content"], (method, path)
    examples = [name for name, shape in told["components"]["schemas"].items() if "examples" in shape]
    assert {"Problem", "Given", "FoldedWanted", "BatchWanted", "PredictionsWanted", "Recommendations"} <= set(examples)
    [only] = [
        one for one in told["paths"]["/v1/users/{user}/recommendations"]["get"]["parameters"] if one["name"] == "only"
    ]
    assert only["schema"]["type"] == "array"
