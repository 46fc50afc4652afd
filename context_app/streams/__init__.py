"""Answers as they are written: accepted before they are shown, kept whatever dies, read by any number of readers.

    upstream read ──▶ Runner ──▶ Spool (one os.write) ──▶ LiveStream (memory tail) ──▶ readers of this process
                                                             │
                                                             └──▶ Journal (group commit) ──▶ readers elsewhere

``runtime`` joins the parts once per process; ``takeover`` speaks for processes that can no longer speak for themselves.
"""
