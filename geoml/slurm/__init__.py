"""Jobs on a Slurm cluster: Snakemake's Slurm executor, with nothing lost, doubled or waited for in vain."""


def register() -> None:
    """Let ``executor: slurm`` mean :class:`geoml.slurm.executor.Executor`, where the plugin is installed.

    The Snakefile calls this, so that nothing has to be installed but the plugin: Snakemake finds only executors that
    are packages of their own.
    """
    from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry

    plugins = ExecutorPluginRegistry().plugins
    if "slurm" in plugins:
        from geoml.slurm.executor import Executor

        plugins["slurm"].executor = Executor
