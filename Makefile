SHELL := /bin/bash
ROBOT ?= franka
POLICY ?= auto
TASK ?=
SEED ?= 0
JOBS ?= 2

.PHONY: help setup demo demo-record test lint clean

help:
	@echo "make demo [ROBOT=franka|agilex|ldt01] [POLICY=auto|expert|gear_vla]   the whole graph in simulation"
	@echo "          [TASK=lift|place|handover|flip_label] [SEED=0]      in a random scene of a task instead of three cubes"
	@echo "make demo-record                                              by hand: teleoperate, record, check, convert, replay"
	@echo "make test                                                     linters, types, all tests"
	@echo "make setup                                                    only install and build"
	@echo "make lint                                                     ruff, mypy, import contracts, README tables"
	@echo "make clean                                                    remove the environment and the build"

setup:
	@bash scripts/setup.sh

demo: setup
	@source env.sh && gear-vla demo --robot $(ROBOT) --policy $(POLICY) --task "$(TASK)" --seed $(SEED)

demo-record: setup
	@source env.sh && gear-vla demo-record

lint: setup
	@source env.sh && bash scripts/lint.sh

test: lint
	@source env.sh && bash scripts/test.sh $(JOBS)

clean:
	rm -rf .venv build install log
