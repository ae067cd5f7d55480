"""What must hold on real and on generated data: runs, measures of trained models, and checks of figures against bounds.

`configs/acceptance/ENN.yaml` says what is run and what must hold; `aerun experiment` runs it and prints obtained against
required. A bound leaves slack over the figure measured before; a published figure is never a bound.
"""
