# geoml: data sets, networks and seeds in one YAML file; trained models, honest tables and a report out of it.
from snakemake.utils import min_version

min_version("9.0")


# The default only where no other is given: Snakemake would merge the two, and the default's data sets would stay.
if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


report: "config/report/workflow.rst"


include: "rules/common.smk"
include: "rules/cluster.smk"
include: "rules/data.smk"
include: "rules/search.smk"
include: "rules/train.smk"
include: "rules/evaluate.smk"
include: "rules/tables.smk"
include: "rules/export.smk"
include: "rules/predict.smk"
include: "rules/page.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        TABLES,
        FIGURES,
        PREDICTIONS,
        BUNDLES,
        "results/index.html",
        REPORTED,
