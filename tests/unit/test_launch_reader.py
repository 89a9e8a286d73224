"""Launch files: what they come to, and that nothing unknown is passed over."""

from __future__ import annotations

from pathlib import Path

import pytest

from dexgrasp.launching import LaunchPlan, read_launch_file
from dexgrasp.launching.errors import LaunchError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A prefix with the package `demo_pkg` and its executable `talker`."""
    prefix = tmp_path / "prefix"
    index = prefix / "share/ament_index/resource_index/packages"
    for folder in (index, prefix / "lib/demo_pkg", prefix / "share/demo_pkg"):
        folder.mkdir(parents=True)
    (index / "demo_pkg").touch()
    talker = prefix / "lib/demo_pkg/talker"
    talker.write_text("#!/bin/sh\n")
    talker.chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(prefix))
    return prefix


def read(
    tmp_path: Path, body: str, given: dict[str, str] | None = None, **options: bool
) -> LaunchPlan:
    file = tmp_path / "some.launch.xml"
    file.write_text(f"<launch>{body}</launch>")
    return read_launch_file(file, given or {}, **options)


def test_node(tmp_path: Path, package: Path) -> None:
    parameters = tmp_path / "p.yaml"
    parameters.write_text("/**: {}")
    plan = read(
        tmp_path,
        f"""
        <arg name="hand" default="leap_right"/>
        <node pkg="demo_pkg" exec="talker" name="t" namespace="robot" args="--a 'b c'"
              output="screen" on_exit="shutdown" respawn="true" respawn_delay="0.5">
          <param from="{parameters}"/>
          <param name="hand" value="$(var hand)"/>
          <param name="seed" value="3"/>
          <remap from="in" to="out"/>
          <env name="KEY" value="word"/>
        </node>""",
    )
    (node,) = plan.processes
    assert node.name == "t"
    assert node.command == (str(package / "lib/demo_pkg/talker"), "--a", "b c")
    assert node.ros_arguments == (
        *("-r", "__node:=t", "-r", "__ns:=/robot"),
        *("-r", "in:=out"),
    )
    assert node.ros_parameters == (parameters, {"hand": "leap_right"}, {"seed": 3})
    assert node.environment == {"KEY": "word"}
    assert node.on_screen
    assert node.ends_launch
    assert node.respawn_delay == 0.5


def test_given_arguments_win_over_defaults(tmp_path: Path) -> None:
    body = '<arg name="n" default="a"/><executable cmd="echo $(var n)"/>'
    assert read(tmp_path, body).processes[0].command == ("echo", "a")
    assert read(tmp_path, body, {"n": "b"}).processes[0].command == ("echo", "b")


def test_conditions_choose(tmp_path: Path) -> None:
    body = """
        <arg name="backend" default="mujoco"/>
        <executable cmd="a" if="$(equals $(var backend) mujoco)"/>
        <group unless="$(equals $(var backend) mujoco)"><executable cmd="b"/></group>"""
    assert [p.name for p in read(tmp_path, body).processes] == ["a"]
    assert [p.name for p in read(tmp_path, body, {"backend": "x"}).processes] == ["b"]


def test_groups_keep_their_settings_to_themselves(tmp_path: Path, package: Path) -> None:
    plan = read(
        tmp_path,
        """
        <let name="x" value="outer"/>
        <group>
          <push_ros_namespace namespace="inside"/>
          <let name="x" value="inner"/>
          <set_env name="KEY" value="inner"/>
          <node pkg="demo_pkg" exec="talker" args="$(var x) $(env KEY)"/>
        </group>
        <node pkg="demo_pkg" exec="talker" args="$(var x)"/>""",
    )
    inner, outer = plan.processes
    assert inner.command[1:] == ("inner", "inner")
    assert inner.ros_arguments == ("-r", "__ns:=/inside")
    assert inner.environment == {"KEY": "inner"}
    assert outer.command[1:] == ("outer",)
    assert outer.ros_arguments == ()
    assert outer.environment == {}


def test_include_passes_arguments_and_shows_the_rest(tmp_path: Path) -> None:
    (tmp_path / "part.launch.xml").write_text(
        """<launch>
             <arg name="fixed"/><arg name="free" default="1" description="of choice"/>
             <executable cmd="run $(var fixed) $(var free)"/>
           </launch>"""
    )
    body = """<include file="$(dirname)/part.launch.xml"><arg name="fixed" value="f"/></include>"""
    plan = read(tmp_path, body, {"free": "2"})
    assert plan.processes[0].command == ("run", "f", "2")
    assert list(plan.arguments) == ["free"]
    with pytest.raises(LaunchError, match="has no argument 'other'; it has: free"):
        read(tmp_path, body, {"other": "2"})
    misspelt = body.replace("</include>", '<arg name="fere" value="1"/></include>')
    with pytest.raises(LaunchError, match="has no argument 'fere'; it has: fixed, free"):
        read(tmp_path, misspelt)


def test_arguments_are_shown_without_being_given(tmp_path: Path) -> None:
    body = """<arg name="must"/><arg name="may" default="d"><choice value="d"/></arg>
              <node pkg="absent" exec="talker"/>"""
    plan = read(tmp_path, body, only_arguments=True)
    assert plan.arguments["must"].default is None
    assert plan.arguments["may"].choices == ("d",)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<nod/>", r"unknown element <nod> in <launch>; allowed: arg, let"),
        ('<node pkg="a" exec="b" respwan="1"/>', "unknown attribute 'respwan' of <node>; allowed"),
        ('<node pkg="a"/>', "<node> lacks its attribute 'exec'"),
        ('<node pkg="a" exec="b"><choice/></node>', "unknown element <choice> in <node>"),
        ("words", "holds the text 'words'"),
        ("<executable cmd='a'/>words", "holds the text 'words'"),
        ('<arg name="x"/>', "<arg x>: argument 'x' has no default: give x:="),
        ('<arg name="x" default="c"><choice value="a"/></arg>', "'c' is none of the choices: a"),
        ('<executable cmd="a" if="1" unless="0"/>', "exclude each other"),
        ('<executable cmd="a" output="nowhere"/>', "unknown output 'nowhere'; known: screen"),
        ('<executable cmd="a" on_exit="stop"/>', "unknown on_exit 'stop'; known: shutdown"),
        ('<executable cmd="a" respawn_delay="x"/>', "respawn_delay"),
        ('<executable cmd=""/>', "cmd"),
        ('<include file="/absent.xml"/>', "/absent.xml cannot be read"),
        ('<node pkg="absent" exec="b"/>', "package 'absent' is in none of the 1 prefixes"),
        ('<node pkg="demo_pkg" exec="b"/>', "has no executable 'b'; it has: talker"),
        (
            '<node pkg="demo_pkg" exec="talker"><param name="x"/></node>',
            "<param x> lacks its attribute 'value'",
        ),
        (
            '<node pkg="demo_pkg" exec="talker"><param from="/absent.yaml"/></node>',
            "parameter file /absent.yaml does not exist",
        ),
        (
            '<node pkg="demo_pkg" exec="talker"><param value="1"/></node>',
            "needs either 'name' with 'value', or 'from'",
        ),
    ],
)
def test_faults_name_file_and_remedy(
    tmp_path: Path, package: Path, body: str, message: str
) -> None:
    with pytest.raises(LaunchError, match=message) as caught:
        read(tmp_path, body)
    assert ".launch.xml" in str(caught.value) or "absent.xml" in str(caught.value)


def test_malformed_files(tmp_path: Path) -> None:
    file = tmp_path / "bad.launch.xml"
    file.write_text("<launch>")
    with pytest.raises(LaunchError, match="cannot be read"):
        read_launch_file(file, {})
    file.write_text("<robot/>")
    with pytest.raises(LaunchError, match="must be <launch>"):
        read_launch_file(file, {})


def test_packages_need_a_sourced_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    with pytest.raises(LaunchError, match=r"source setup\.bash"):
        read(tmp_path, '<node pkg="a" exec="b"/>')
