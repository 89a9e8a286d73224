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

.PHONY: help setup setup-jazzy isaaclab demo test test-jazzy lint benchmark benchmark-agreement benchmark-control benchmark-perception benchmark-drivers benchmark-evaluation benchmark-execution benchmark-faults benchmark-gpu benchmark-loop benchmark-synthesis benchmark-policy fit-ranking train-policy train-rl clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup:  ## Make or update .venv, ros2_ws and setup.bash
	@$(PYTHON) tools/setup_env.py

setup-jazzy:  ## The same in .venv-jazzy with the ROS 2 Jazzy wheels
	@$(PYTHON) tools/setup_env.py --ros-wheels jazzy

isaaclab:  ## Make or update .venv-isaaclab: IsaacLab 3 with Newton physics (8 GB)
	@$(PYTHON) tools/setup_isaaclab.py

demo: setup  ## Pick objects: make demo HAND=leap_right OBJECTS=mug,bowl SEED=3 BACKEND=isaaclab
	@$(ENVIRONMENT) && dexgrasp launch demo.launch.xml hand:=$(HAND) seed:=$(SEED) \
	  ros2_control_hardware_type:=$(BACKEND) $(if $(OBJECTS),objects:=$(OBJECTS)) \
	  $(if $(filter isaac%,$(BACKEND)),start_timeout:=900.0)

test: setup lint  ## Run the linters and every test, those of the whole stack over DDS included
	@$(ENVIRONMENT) && python -m pytest tests/unit tests/backends -n 2 --dist loadfile $(PYTEST_ARGS) \
	  && python -m pytest tests/ros $(PYTEST_ARGS)

test-jazzy: setup-jazzy  ## Run the ROS tests on the ROS 2 Jazzy wheels
	@$(JAZZY) && python -m pytest tests/ros $(PYTEST_ARGS)

lint: setup  ## Run ruff, pyright and hadolint
	@$(ENVIRONMENT) && ruff check . && ruff format --check . && pyright && \
	  hadolint docker/Dockerfile

benchmark: setup  ## Measure success and latency: make benchmark ARGS="--hands leap_right"
	@$(ENVIRONMENT) && dexgrasp benchmark $(ARGS)

benchmark-agreement: setup  ## Measure the same grasps on MuJoCo and IsaacLab: ARGS="--count 10"
	@$(ENVIRONMENT) && python benchmarks/agreement.py $(ARGS)

benchmark-perception: setup  ## Measure perceived against true shapes: ARGS="--seeds 5"
	@$(ENVIRONMENT) && python benchmarks/perception.py $(ARGS)

benchmark-evaluation: setup  ## Measure the batch evaluator: time, verdicts, published grasps
	@$(ENVIRONMENT) && python benchmarks/plausibility.py && python benchmarks/intention.py && \
	  python benchmarks/evaluation.py $(ARGS)

benchmark-gpu: setup  ## Measure the batch evaluator on a GPU, beside the processor's verdicts
	@$(ENVIRONMENT) && python benchmarks/gpu.py $(ARGS)

benchmark-control: setup  ## Measure how periodic the control loop is while the stack picks
	@$(ENVIRONMENT) && python benchmarks/control.py $(ARGS)

benchmark-execution: setup  ## Measure picks, retries, slips, disturbances: ARGS="--seeds 1"
	@$(ENVIRONMENT) && python benchmarks/execution.py $(ARGS)

benchmark-drivers: setup  ## Measure the drivers on emulated hands: ARGS="--parts picks"
	@$(ENVIRONMENT) && python benchmarks/drivers.py $(ARGS)

benchmark-faults: setup  ## Inject faults at every phase: ARGS="--hands leap_right"
	@$(ENVIRONMENT) && python benchmarks/faults.py $(ARGS)

benchmark-loop: setup  ## Measure the step time of executor and safety: ARGS="--controllers mpc"
	@$(ENVIRONMENT) && python benchmarks/loop.py $(ARGS)

benchmark-synthesis: setup  ## Measure grasp synthesis, all of it or ARGS="--parts views,regions"
	@$(ENVIRONMENT) && python benchmarks/synthesis.py $(ARGS)

benchmark-policy: setup  ## Measure the inference time of a policy: ARGS="--name student"
	@$(ENVIRONMENT) && python benchmarks/policy.py $(ARGS)

fit-ranking: setup  ## Fit the success probability of grasps on simulated trials, and report
	@$(ENVIRONMENT) && python benchmarks/ranking.py --write $(ARGS)

train-policy: setup  ## Train a student policy by DAgger: ARGS="--hands leap_right"
	@$(ENVIRONMENT) && OMP_NUM_THREADS=2 python -m dexgrasp.learning.train $(ARGS)

train-rl: isaaclab  ## Train grasp and lift by PPO in IsaacLab: ARGS="--hand leap_right --envs 1024"
	@env -u PYTHONPATH -u PYTHONHOME -u LD_LIBRARY_PATH .venv-isaaclab/bin/python -m dexgrasp.simulation.isaaclab.rl.train $(ARGS)

clean:  ## Remove the environments and what they built
	rm -rf .venv .venv-jazzy .venv-isaaclab setup.bash setup.jazzy.bash logs/setup
