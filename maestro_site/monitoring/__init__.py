"""The state of all processes of this installation, for ``/metrics`` and ``/health``.

snapshots   the values of one process at one moment, and how they are taken
publisher   takes them every ``health_check_interval_seconds``, and follows what other processes ask for
files       where each process leaves them for the others: ``monitoring/`` in the data folder
overview    all processes together, by provider
rows        the same in words and figures, for Home, Settings and the command
metrics     the names of all metrics, and the text that Prometheus reads
telemetry   requests as spans and metrics of OpenTelemetry, where that is turned on
endpoints   ``/metrics`` and ``/health``, and who may see more than the status
"""
