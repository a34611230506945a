"""`elenco deploy` and `elenco run` against a server."""

import pytest

from tests.ops.conftest import HEAVY, NOWHERE, ROOT, Place

pytestmark = pytest.mark.timeout(600)
FLOWS = sorted(path.stem for path in (ROOT / "flows").glob("[!_]*.py"))
WRITING = set(FLOWS) - {"annotate_video"}  # into the data directory or the registry
LOOKED_AFTER = [
    "a crashed refresh is run again",
    "a run that never starts is crashed",
    "a vanished run is crashed",
]
ALARMS = [
    f"alarm {k}" for k in ("crashed", "drift", "failed", "late", "not promoted", "silence", "test")
]


def test_a_second_deploy_changes_nothing(place: Place):
    def everything():
        found = [place.api("deployments/filter", {}), place.api("automations/filter", {})]
        found += [place.api("work_pools/filter", {}), place.api("v2/concurrency_limits/filter", {})]
        kept = ("id", "updated", "schedules", "trigger", "actions", "limit", "version")
        return [sorted(str({k: e.get(k) for k in kept}) for e in part) for part in found[:2]]

    before = everything()  # `up` has deployed
    done = place.elenco("deploy")
    assert done.stdout == "nothing has changed\n", done.stderr
    assert everything() == before


def test_every_flow_is_deployed_as_the_settings_say(place: Place):
    deployments = {d["name"]: d for d in place.api("deployments/filter", {})}
    assert sorted(deployments) == FLOWS
    for name, deployment in deployments.items():
        assert deployment["tags"] == ["elenco"]
        assert deployment["version"]
        assert deployment["entrypoint"] == f"flows/{name}.py:{name}"
        if name in WRITING:
            assert deployment["global_concurrency_limit"]["limit"] == 1
            assert deployment["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
        else:  # one video is no reason not to look through another
            assert deployment["global_concurrency_limit"] is None
    crons = {n: [s["schedule"] for s in d["schedules"]] for n, d in deployments.items()}
    assert [s["cron"] for s in crons["daily_refresh"]] == ["0 6 * * *"]
    assert [s["cron"] for s in crons["enforce_retention"]] == ["0 12 * * *"]
    assert sum(len(s) for s in crons.values()) == 2


def test_cron_and_zone_follow_the_settings(place: Place):
    changed = {"ELENCO_SCHEDULE__CRON": "30 4 * * *", "ELENCO_SCHEDULE__TIMEZONE": "Europe/Lisbon"}
    assert place.elenco("deploy", **changed).returncode == 0
    [schedule] = place.deployment("daily_refresh")["schedules"]
    assert schedule["schedule"]["cron"] == "30 4 * * *"
    assert schedule["schedule"]["timezone"] == "Europe/Lisbon"
    assert place.elenco("deploy").returncode == 0
    wrong = place.elenco("deploy", ELENCO_SCHEDULE__CRON="61 4 * * *")
    assert wrong.returncode == 1
    assert "is no cron line" in wrong.stderr
    wrong = place.elenco("deploy", ELENCO_SCHEDULE__TIMEZONE="Lisbon")
    assert "no such time zone" in wrong.stderr


@pytest.mark.parametrize("flow", FLOWS)
def test_the_form_in_the_interface_says_what_each_parameter_is(place: Place, flow):
    deployment = place.deployment(flow)
    assert deployment["description"].endswith(".")
    properties = deployment["parameter_openapi_schema"]["properties"]
    assert "config" in properties
    for name, parameter in properties.items():
        assert parameter.get("description"), name
    assert not properties.keys() & {"curated", "trained"}  # what one flow hands to another


def test_what_the_server_does_by_itself(place: Place):
    names = sorted(a["name"] for a in place.api("automations/filter", {}))
    assert names == sorted(f"elenco: {name}" for name in LOOKED_AFTER + ALARMS)
    without = place.elenco("deploy", **NOWHERE)
    assert "alarms go nowhere" in without.stderr
    names = sorted(a["name"] for a in place.api("automations/filter", {}))
    assert names == sorted(f"elenco: {name}" for name in LOOKED_AFTER)
    again = place.elenco("deploy")
    for kind in ("webhook", "Slack", "e-mail"):
        assert f"alarms by {kind} created" in again.stdout
    assert "s3cret" not in again.stdout + again.stderr
    assert "s3cr3t" not in again.stdout + again.stderr


def by_hand(place: Place) -> list[str]:
    """Runs that `elenco run` has made."""
    found = [run for flow in FLOWS for run in place.runs(flow)]
    return sorted(run["id"] for run in found if "by-hand" in run["tags"])


def test_what_is_wrong_is_said_in_a_line_and_makes_no_run(place: Place):
    cases = [
        (("run", "nothing"), {}, "there is no flow nothing"),
        (("run", "enforce_retention", "--param", "foo=1"), {}, "has no parameter foo"),
        (("run", "daily_refresh", "--param", "people=many"), {}, "does not take these parameters"),
        (("run", "collect_images", "--param", "people=-5"), {}, "-5 is less than the minimum of 2"),
        (("run", "train_recogniser", "--param", "curated={}"), {}, "has no parameter curated"),
        (("run", "daily_refresh", "--param", "people"), {}, "is no name=value"),
        (("deploy",), {"PREFECT_API_URL": "http://127.0.0.1:9/api"}, "no Prefect server answers"),
        (
            ("deploy",),
            {
                "PREFECT_API_URL": f"{place.state['url']}/api",
                "PREFECT_API_AUTH_STRING": "elenco:wrong",
            },
            "wants another user and password",
        ),
    ]
    before = by_hand(place)
    for arguments, environment, says in cases:
        done = place.elenco(*arguments, **environment)
        assert done.returncode == 1, arguments
        assert says in done.stderr, done.stderr
        assert done.stderr.count("\n") == 1, done.stderr
        assert "wrong" not in done.stderr
    assert by_hand(place) == before


def test_without_a_server_deploy_and_run_say_so(tmp_path, place: Place):
    elsewhere = {"ELENCO_PATHS__DATA": str(tmp_path / "data")}
    done = place.elenco("deploy", **elsewhere)
    assert "start one with `elenco up`" in done.stderr
    done = place.elenco("run", "enforce_retention", "--param", "foo=1", **elsewhere)
    assert "has no parameter foo: it takes config" in done.stderr
    assert "this process runs it" in done.stderr
    done = place.elenco("run", "train_recogniser", "--param", "curated={}", **elsewhere)
    assert "has no parameter curated: it takes config, people\n" in done.stderr


@HEAVY
def test_without_a_server_run_runs_here(tmp_path, place: Place):
    elsewhere = {"ELENCO_PATHS__DATA": str(tmp_path / "data")}
    done = place.elenco("run", "enforce_retention", **elsewhere)
    assert done.returncode == 0, done.stderr
    assert "this process runs it" in done.stderr
