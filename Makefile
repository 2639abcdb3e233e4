# make book    set up, run the notebooks, build the pages      make book PROFILE=paper
# make test    set up, run every test, the notebooks included
# make store   re-run the notebooks with their defaults and store them with outputs
# make seeds   the scores with five seeds, into book/results    make power   what each measure of the scoreboard sees
# make bench   the benchmarks, one after the other             make bench BENCH=benchmarks/spectra.py
# make lock    renew constraints.txt                           make clean   remove what was built and run
PROFILE ?= quick
PYTHON  ?= python3
JOBS    ?= 2
# Studies of many minutes, whose results are kept in book/results, and makers of files that come with the library
STUDIES := $(addprefix benchmarks/,seeds.py power.py generators.py ablation.py few_records.py real_folds.py calibrate_sites.py bundle.py)
BENCH   ?= $(filter-out $(STUDIES),$(sort $(wildcard benchmarks/[!_]*.py)))

NOTEBOOKS := 01_data 02_phase0 03_phase1 04_zero_shot 05_vae_baseline 06_hvsr_f0_ncc 07_your_own_records 08_what_the_score_sees 09_engineering_report 10_beyond_the_average 11_how_many_records 12_real_records architecture openeew published_generator
BIN       := .venv/bin
RUNS      := $(if $(TNG_RUNS),$(TNG_RUNS),runs)
EXECUTED  := $(RUNS)/$(PROFILE)/executed
HTML      := _build/html$(if $(filter-out quick,$(PROFILE)),-$(PROFILE))
LIBRARY   := $(wildcard tng/*.py tng/*/*.py tng/*.json)
PROSE     := $(shell find book -type f 2>/dev/null) _config.yml _toc.yml tools/build_book.py

# One thread a notebook: two run side by side, and sums come out the same on every machine.
export OMP_NUM_THREADS := 1
export TNG_PROGRESS := 0

.DELETE_ON_ERROR:
.PHONY: book test store seeds power bench lock clean

book: .venv/.ready
	@$(MAKE) --silent --no-print-directory -j$(JOBS) $(HTML)/index.html
	@echo "Open $(HTML)/index.html"

$(EXECUTED)/%.ipynb: notebooks/%.ipynb params/$(PROFILE).yml $(LIBRARY) tools/run.py constraints.txt | .venv/.ready
	$(BIN)/python tools/run.py $< $@ --params params/$(PROFILE).yml

# What a notebook reads from the run folder: 05 runs beside 02 and 03.
define after
$(EXECUTED)/$(1).ipynb: $(2:%=$(EXECUTED)/%.ipynb)
endef
$(eval $(call after,02_phase0,01_data))
$(eval $(call after,03_phase1,01_data 02_phase0))
$(eval $(call after,04_zero_shot,01_data 02_phase0 03_phase1))
$(eval $(call after,05_vae_baseline,01_data))
$(eval $(call after,06_hvsr_f0_ncc,01_data 03_phase1 04_zero_shot 05_vae_baseline))
$(eval $(call after,09_engineering_report,01_data 03_phase1 04_zero_shot 05_vae_baseline))
$(eval $(call after,10_beyond_the_average,01_data))
$(eval $(call after,11_how_many_records,01_data))
$(eval $(call after,published_generator,01_data 03_phase1))

$(HTML)/index.html: $(NOTEBOOKS:%=$(EXECUTED)/%.ipynb) $(PROSE)
	$(BIN)/python tools/build_book.py $(EXECUTED) $(HTML)

test: .venv/.ready
	$(BIN)/pytest

# In order, with every public file at hand, into a run folder of their own; the twin in notebooks/src is read first if it is the newer one.
store: .venv/.ready
	$(BIN)/tng fetch published samples openeew > /dev/null
	$(BIN)/jupytext --quiet --sync $(NOTEBOOKS:%=notebooks/src/%.py)
	@runs=$$(mktemp -d) && trap 'rm -rf "$$runs"' EXIT && export TNG_RUNS="$$runs" && set -e && \
	for name in $(NOTEBOOKS); do $(BIN)/python tools/run.py notebooks/$$name.ipynb notebooks/$$name.ipynb --store; done
	$(BIN)/jupytext --quiet --sync $(NOTEBOOKS:%=notebooks/%.ipynb)
	$(BIN)/python tools/picture.py

seeds power: .venv/.ready
	$(BIN)/python benchmarks/$@.py

bench: .venv/.ready
	@set -e; for script in $(BENCH); do echo "== $$script"; $(BIN)/python $$script; done

# Not after .venv/.ready, which takes the old versions first. Without find-links: a local build of torch ("+cpu") must not get into the file.
lock:
	@$(BIN)/uv --version >/dev/null 2>&1 || { $(PYTHON) -m venv .venv && $(BIN)/pip install -q uv; }
	env -u UV_FIND_LINKS $(BIN)/uv pip compile -q --universal --python-version 3.11 --extra test --extra book \
	  -c constraints.in --no-header --no-annotate pyproject.toml -o constraints.txt

clean:
	rm -rf _build $(RUNS)/quick

# uv ignores pip's own settings, so the folder with ready wheels is handed over; pip steps in where uv cannot be had.
.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	@if $(BIN)/uv --version >/dev/null 2>&1 || $(BIN)/pip install -q uv; \
	then UV_FIND_LINKS="$$PIP_FIND_LINKS" $(BIN)/uv pip install -q -p .venv -c constraints.txt -e '.[book,test]'; \
	else echo "uv cannot be installed; pip takes some minutes instead" && \
	     $(BIN)/pip install -q -c constraints.txt -e '.[book,test]'; fi
	@touch $@
