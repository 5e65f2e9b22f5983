"""What holds on every plan, as claims that anybody can check on their own cluster.

    SUBJECTS ── claims_of ──> claims ── run.check ──> a line a subject     python -m kubefuture conformance
                                    └── pytest ──> tests/conformance/test_claims.py, on every back end

One file a subject. A claim is a public function: its name is the claim, its argument the plan that it is checked on.
What a plan lacks is claimed, too: that it refuses, or what happens instead.
"""
