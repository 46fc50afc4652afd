"""Running answers: accepted before they are shown, kept whatever process dies, read by any number of readers.

    upstream read ──▶ Runner ──▶ Spool (one os.write) ──▶ LiveStream (memory tail) ──▶ readers of this process
                                                             │
                                                             └──▶ Journal (group commit) ──▶ readers elsewhere

``runtime`` joins the parts once per process; ``takeover`` ends the streams of dead processes.
"""
