# `make help` lists the targets; everything else is done by tools/setup_env.py and `dexgrasp`.
SHELL := bash
.SHELLFLAGS := -eo pipefail -c
PYTHON ?= python3
HAND ?= allegro_right
OBJECTS ?=
SEED ?= 0
BACKEND ?= mujoco

# ROS 2 Kilted from PyPI, or the one that is sourced, and ROS 2 Jazzy from PyPI.
ENVIRONMENT := source setup.bash
JAZZY := source setup.jazzy.bash

.PHONY: help setup setup-jazzy demo test test-stack test-jazzy lint types benchmark clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup:  ## Make or update .venv, ros2_ws and setup.bash
	@$(PYTHON) tools/setup_env.py

setup-jazzy:  ## The same in .venv-jazzy with the ROS 2 Jazzy wheels
	@$(PYTHON) tools/setup_env.py --ros-wheels jazzy

demo: setup  ## Pick objects: make demo HAND=leap_right OBJECTS=mug,bowl SEED=3 BACKEND=mujoco
	@$(ENVIRONMENT) && dexgrasp launch demo.launch.xml hand:=$(HAND) seed:=$(SEED) \
	  ros2_control_hardware_type:=$(BACKEND) $(if $(OBJECTS),objects:=$(OBJECTS))

test: setup lint  ## Run ruff, the library's tests and the quick ROS tests
	@$(ENVIRONMENT) && python -m pytest tests/unit tests/backends tests/ros/test_conversions.py \
	  tests/ros/test_trajectory.py tests/ros/test_underlay.py $(PYTEST_ARGS)

test-jazzy: setup-jazzy  ## Run the ROS tests on the ROS 2 Jazzy wheels
	@$(JAZZY) && python -m pytest tests/ros $(PYTEST_ARGS)

lint: setup  ## Run ruff, pyright and hadolint
	@$(ENVIRONMENT) && ruff check . && ruff format --check .

types: setup  ## Run pyright over library and tools
	@$(ENVIRONMENT) && pyright

test-stack: setup  ## Run the tests of the whole stack over DDS (minutes; need a quiet machine)
	@$(ENVIRONMENT) && python -m pytest tests/ros $(PYTEST_ARGS) && \
	  hadolint docker/Dockerfile

benchmark: setup  ## Measure success and latency: make benchmark ARGS="--hands leap_right"
	@$(ENVIRONMENT) && dexgrasp benchmark $(ARGS)

clean:  ## Remove the environments and what they built
	rm -rf .venv .venv-jazzy setup.bash setup.jazzy.bash logs/setup
