"""The client of a service: addresses, credentials, and what is asked of it."""

from __future__ import annotations

import pytest

from assent.errors import UsageError
from assent.evaluation.runs.calls import Calls
from assent.evaluation.runs.endpoint import DEFAULT_REGION, EndpointSystem, make_client
from assent.evaluation.runs.trials import trials_of_folders
from assent.evaluation.runs.verify import run_verify


def test_a_service_is_asked_where_it_is(stub):
    client = make_client(stub.url)
    assert client.meta.endpoint_url == stub.url
    assert client.meta.region_name == DEFAULT_REGION
    assert client.meta.config.retries["total_max_attempts"] > 1


def test_the_vendors_own_is_where_boto3_says(stub):
    assert (
        make_client(None, region="eu-west-1").meta.endpoint_url
        == "https://rekognition.eu-west-1.amazonaws.com"
    )


@pytest.mark.parametrize("address", ["localhost:8080", "ftp://example.org", ""])
def test_what_is_no_address_is_refused(address):
    with pytest.raises(UsageError, match="begins with http:// or https://"):
        make_client(address)


def test_without_boto3_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(UsageError, match=r"needs boto3.*pip install 'assent\[audit\]'"):
        make_client("http://localhost")


def test_without_credentials_it_is_said_what_to_set(people, stub, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    system = EndpointSystem(Calls(make_client(stub.url)), "127.0.0.1")
    with pytest.raises(UsageError, match="expected credentials for the service; set AWS_ACCESS_KEY_ID"):
        run_verify(system, trials_of_folders([people], {}))
    assert stub.calls == []
